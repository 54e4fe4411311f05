"""Which copies use exactly some given devices, as an engine can be told to run them.

The plan space: one tensor-parallel group over equally many devices of each PC; or a pipeline of equal groups
that each stay inside a PC, the groups of a PC one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

from homecluster.domain.hardware import Device
from homecluster.domain.model import ModelSpec
from homecluster.planner import rules
from homecluster.planner.exact.clock import Group


def tensor_group(spec: ModelSpec, devices: Sequence[Device]) -> Group | None:
    """All devices as one stage, where the engine allows it."""
    counts = [sum(d.node_id == node for d in devices) for node in _nodes(devices)]
    if len(set(counts)) > 1 or rules.refuse_tensor_parallel(spec, len(devices)):
        return None
    return None if rules.refuse_group(devices) else tuple(devices)


def pipelines(spec: ModelSpec, devices: Sequence[Device]) -> Iterator[list[list[Group]]]:
    """For each size of group: the groups of each PC, as they stand side by side in it."""
    for size in range(1, len(devices) // 2 + 1):
        stages = len(devices) // size
        if len(devices) % size or rules.refuse_tensor_parallel(spec, size):
            continue
        if rules.refuse_pipeline_parallel(spec, stages):
            continue
        inside = [
            _groups([d for d in devices if d.node_id == node], size) for node in _nodes(devices)
        ]
        if all(inside):
            yield [groups for groups in inside if groups]


def orders(inside: Sequence[list[Group]]) -> Iterator[tuple[Group, ...]]:
    """Every order of PCs, and of the groups inside each."""
    for pcs in permutations(inside):
        for chosen in product(*(permutations(groups) for groups in pcs)):
            yield tuple(group for groups in chosen for group in groups)


def splits(layers: int, most: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All ways to cut the layers into stages of at least one and at most so many."""
    first, rest = most[0], most[1:]
    if not rest:
        if 1 <= layers <= first:
            yield (layers,)
        return
    for count in range(max(1, layers - sum(rest)), min(first, layers - len(rest)) + 1):
        for others in splits(layers - count, rest):
            yield (count, *others)


def neighbours(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The same cut with one layer given from one stage to another."""
    for giver in range(len(counts)):
        for taker in range(len(counts)):
            if giver != taker and counts[giver] > 1:
                moved = list(counts)
                moved[giver] -= 1
                moved[taker] += 1
                yield tuple(moved)


def _groups(devices: Sequence[Device], size: int) -> list[Group]:
    """Neighbours of one compute capability; none where some are left over."""
    made: list[Group] = []
    classes: dict[object, list[Device]] = {}
    for device in devices:
        classes.setdefault(device.compute_capability if size > 1 else None, []).append(device)
    for alike in classes.values():
        if len(alike) % size:
            return []
        made += [tuple(alike[i : i + size]) for i in range(0, len(alike), size)]
    return made


def _nodes(devices: Sequence[Device]) -> list[str]:
    return list(dict.fromkeys(device.node_id for device in devices))
