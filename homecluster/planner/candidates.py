"""Which copies are worth costing: the ways to lay one model over some devices that an engine could run."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from homecluster.domain.hardware import Device, DeviceKind, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy
from homecluster.planner.compute import effective_bandwidth
from homecluster.planner.pc_choices import choices, order
from homecluster.planner.problem import Problem, weakness
from homecluster.planner.stages import cuts


def local_copies(problem: Problem, node: Node) -> Iterator[Copy]:
    """Copies inside one PC: every tensor and pipeline size over its matching devices, and one pipeline over all.

    Devices that are alike come up as often as copies of that size fit beside one another.
    """
    classes = _classes(node)
    for devices in classes:
        for size in range(1, len(devices) + 1):
            for stages in range(1, len(devices) // size + 1):
                if problem.pins.allow(size, stages):
                    for chosen in _windows(problem, devices, size * stages):
                        yield from cuts(problem, _groups(chosen, size))
    for kind in DeviceKind:
        matching = [devices for devices in classes if devices[0].kind is kind]
        if len(matching) > 1:
            for size in range(1, max(map(len, matching)) + 1):
                groups = [group for devices in matching for group in _groups(devices, size)]
                if len(groups) > 1 and problem.pins.allow(size, len(groups)):
                    yield from cuts(problem, groups)


def spanning_copies(problem: Problem) -> Iterator[Copy]:
    """Copies over several PCs; of choices of PCs that are alike, only those that fit beside one another."""
    for kind in DeviceKind:
        nodes = [node for node in problem.nodes if any(d.kind is kind for d in node.devices)]
        taken: dict[Hashable, set[NodeId]] = {}
        for chosen in choices(problem, nodes):
            ids = {node.id for node in chosen}
            alike = taken.setdefault(problem.like.choice([node.id for node in chosen]), set())
            if not alike & ids:
                alike |= ids
                yield from _over(problem, chosen, kind)


def _classes(node: Node) -> list[list[Device]]:
    """The PC's devices by kind and compute capability, which one tensor-parallel group may not mix; strongest first."""
    classes: dict[object, list[Device]] = {}
    for device in sorted(node.devices, key=weakness):
        classes.setdefault((device.kind, device.compute_capability), []).append(device)
    return list(classes.values())


def _windows(problem: Problem, devices: Sequence[Device], width: int) -> Iterator[Sequence[Device]]:
    """Neighbours in strength: every run of `width` that is new, and side by side those that are alike."""
    seen = set()
    for start in range(len(devices) - width + 1):
        chosen = devices[start : start + width]
        facts = problem.like.devices([device.id for device in chosen])
        if facts not in seen or start % width == 0:
            seen.add(facts)
            yield chosen


def _over(problem: Problem, nodes: Sequence[Node], kind: DeviceKind) -> Iterator[Copy]:
    """Tensor parallel across the PCs, and pipelines whose stages each stay inside one."""
    classes = {
        node.id: [devices for devices in _classes(node) if devices[0].kind is kind]
        for node in nodes
    }
    for matching in _matching(list(classes.values())):
        for each in range(1, min(map(len, matching)) + 1):
            if problem.pins.allow(each * len(nodes), 1):
                yield from cuts(problem, [[d for devices in matching for d in devices[:each]]])
    yield from _piped(problem, classes)


def _piped(problem: Problem, classes: Mapping[NodeId, Sequence[list[Device]]]) -> Iterator[Copy]:
    """Pipelines over the strongest class of each PC: one group of it, and as many as it gives."""
    largest = {node_id: max(found, key=_strength) for node_id, found in classes.items()}
    way = order(problem, list(classes))
    for size in range(1, min(map(len, largest.values())) + 1):
        single = [largest[node_id][:size] for node_id in way]
        groups = {node_id: _groups(largest[node_id], size) for node_id in way}
        # Fewest first behind the driver: so Ray would order them, and equal ones stay as they are.
        fewest = [way[0], *sorted(way[1:], key=lambda node_id: len(groups[node_id]))]
        every = [group for node_id in fewest for group in groups[node_id]]
        for chosen in [single] if len(every) == len(single) else [single, every]:
            if problem.pins.allow(size, len(chosen)):
                yield from cuts(problem, chosen)


def _matching(classes: Sequence[Sequence[list[Device]]]) -> list[list[list[Device]]]:
    """One class of devices per PC for each compute capability that all have; without one, the strongest of each."""
    by_capability = [{found[0].compute_capability: found for found in each} for each in classes]
    common = [c for c in by_capability[0] if all(c in each for each in by_capability)]
    if not common:
        return [[max(each, key=_strength) for each in classes]]
    return [[each[capability] for each in by_capability] for capability in common]


def _groups(devices: Sequence[Device], size: int) -> list[list[Device]]:
    """As many groups of `size` as the devices give."""
    return [list(devices[i : i + size]) for i in range(0, len(devices) - size + 1, size)]


def _strength(devices: Sequence[Device]) -> float:
    return sum(map(effective_bandwidth, devices))
