"""Which copies are worth costing: the ways to lay one model over some devices that an engine could run."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from homecluster.domain.hardware import Device, DeviceKind, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy, Stage
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import partition, rules
from homecluster.planner.compute import Shard, effective_bandwidth
from homecluster.planner.exact.packing import MOST_DEVICES
from homecluster.planner.likeness import Likeness
from homecluster.planner.memory import memory_use, minimum_kv_bytes
from homecluster.planner.rules import Refusal

_EXHAUSTIVE_ORDER = 5
"""Pipelines over up to so many PCs try every order; longer ones go to the nearest next PC."""
_EXHAUSTIVE_PCS = 8
"""Choices of few PCs are made among the strongest; then come ever more PCs, the strongest first."""
_EVERY_NUMBER = 32
_CHOSEN_FREELY = 3
"""Choices of up to so many PCs are all tried, and of any number among up to five PCs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the user fixed; None leaves it to the planner."""

    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    replicas: int | None = None
    partition: tuple[int, ...] | None = None
    small_collectives: SmallCollectives | None = None

    def allow(self, tensor_parallel: int, pipeline_parallel: int) -> bool:
        return self.tensor_parallel in (None, tensor_parallel) and self.pipeline_parallel in (
            None,
            pipeline_parallel,
        )

    @property
    def free(self) -> bool:
        return self == Pins()


class Problem:
    """What candidates are made for, with what is looked up often."""

    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> None:
        self.spec, self.workload, self.pins = spec, workload, pins
        self.nodes = tuple(sorted(cluster.nodes, key=_drives_best))
        """The PC that comes first in a copy schedules it, whatever the order in the document."""
        self.devices = cluster.devices()
        self.like = Likeness(cluster)
        self._linked = {link.src for link in cluster.links}
        self._wait_s = {(x.src, x.dst): x.latency_s + x.jitter_s for x in cluster.links}

    def linked(self, node: NodeId) -> bool:
        """Some link from this PC is known."""
        return node in self._linked

    def strongest_first(self, node: Node) -> list[Device]:
        """A PC's devices in the order in which groups take them."""
        return sorted(node.devices, key=_weakness)

    def wait_s(self, src: NodeId, dst: NodeId) -> float:
        """What a small message waits, for choosing an order; an unknown link is worse than any."""
        return self._wait_s.get((src, dst), 1e3)


def local_copies(problem: Problem, node: Node) -> Iterator[Copy]:
    """Copies inside one PC: every tensor and pipeline size over its matching devices, and one pipeline over all.

    Devices that are alike come up as often as copies of that size fit beside one another.
    """
    classes = device_classes(node)
    for devices in classes:
        for size in range(1, len(devices) + 1):
            for stages in range(1, len(devices) // size + 1):
                if problem.pins.allow(size, stages):
                    for chosen in _windows(problem, devices, size * stages):
                        yield from _split(problem, _groups(chosen, size))
    for kind in DeviceKind:
        matching = [devices for devices in classes if devices[0].kind is kind]
        if len(matching) > 1:
            for size in range(1, max(map(len, matching)) + 1):
                groups = [group for devices in matching for group in _groups(devices, size)]
                if len(groups) > 1 and problem.pins.allow(size, len(groups)):
                    yield from _split(problem, groups)


def spanning_copies(problem: Problem) -> Iterator[Copy]:
    """Copies over several PCs; of choices of PCs that are alike, only those that fit beside one another."""
    for kind in DeviceKind:
        nodes = [node for node in problem.nodes if any(d.kind is kind for d in node.devices)]
        taken: dict[Hashable, set[NodeId]] = {}
        for chosen in _choices(problem, nodes):
            ids = {node.id for node in chosen}
            alike = taken.setdefault(problem.like.choice([node.id for node in chosen]), set())
            if not alike & ids:
                alike |= ids
                yield from _over(problem, chosen, kind)


def device_classes(node: Node) -> list[list[Device]]:
    """The PC's devices by kind and compute capability, which one tensor-parallel group may not mix; strongest first."""
    classes: dict[object, list[Device]] = {}
    for device in sorted(node.devices, key=_weakness):
        classes.setdefault((device.kind, device.compute_capability), []).append(device)
    return list(classes.values())


def _choices(problem: Problem, nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    strongest = sorted(
        nodes, key=lambda node: (not problem.linked(node.id), min(map(_weakness, node.devices)))
    )
    strength = {node.id: place for place, node in enumerate(strongest)}

    def among(count: int) -> list[Node]:
        return [node for node in nodes if strength[node.id] < count]

    tried = among(_EXHAUSTIVE_PCS)
    most = len(tried) if len(tried) <= _EXHAUSTIVE_ORDER else _chosen_freely(problem)
    for count in range(2, most + 1):
        yield from combinations(tried, count)
    for count in growing(most + 1, len(nodes)):
        yield among(count)


def _chosen_freely(problem: Problem) -> int:
    """Two where the exact search follows, which finds what is best over more PCs."""
    proved = problem.pins.free and len(problem.devices) <= MOST_DEVICES
    return 2 if proved else _CHOSEN_FREELY


def growing(least: int, most: int) -> list[int]:
    """Every number up to thirty-two, then each a quarter larger than the one before, and the last."""
    counts, count = [], least
    while count < most:
        counts.append(count)
        count = max(count + 1, count * 5 // 4 if count >= _EVERY_NUMBER else 0)
    return [*counts, most] if most >= least else []


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
        node.id: [devices for devices in device_classes(node) if devices[0].kind is kind]
        for node in nodes
    }
    for matching in _matching(list(classes.values())):
        for each in range(1, min(map(len, matching)) + 1):
            if problem.pins.allow(each * len(nodes), 1):
                yield from _split(problem, [[d for devices in matching for d in devices[:each]]])
    largest = {node_id: max(found, key=_strength) for node_id, found in classes.items()}
    way = order(problem, [node.id for node in nodes])
    for size in range(1, min(map(len, largest.values())) + 1):
        single = [largest[node_id][:size] for node_id in way]
        groups = {node_id: _groups(largest[node_id], size) for node_id in way}
        # Fewest first behind the driver: so Ray would order them, and equal ones stay as they are.
        fewest = [way[0], *sorted(way[1:], key=lambda node_id: len(groups[node_id]))]
        every = [group for node_id in fewest for group in groups[node_id]]
        for chosen in [single] if len(every) == len(single) else [single, every]:
            if problem.pins.allow(size, len(chosen)):
                yield from _split(problem, chosen)


def _matching(classes: Sequence[Sequence[list[Device]]]) -> list[list[list[Device]]]:
    """One class of devices per PC for each compute capability that all have; without one, the strongest of each."""
    by_capability = [{found[0].compute_capability: found for found in each} for each in classes]
    common = [c for c in by_capability[0] if all(c in each for each in by_capability)]
    if not common:
        return [[max(each, key=_strength) for each in classes]]
    return [[each[capability] for each in by_capability] for capability in common]


def _split(problem: Problem, groups: Sequence[Sequence[Device]]) -> Iterator[Copy]:
    """Stages over `groups` in their order: split evenly, and by speed and memory where that differs."""
    layers, pinned = problem.spec.layers, problem.pins.partition
    if pinned is not None:
        if len(pinned) == len(groups):
            yield stages(groups, pinned)
        return
    if len(groups) > layers:
        return
    evenly = partition.even(layers, len(groups))
    yield stages(groups, evenly)
    if len(groups) > 1:
        speeds = [min(map(effective_bandwidth, group)) * len(group) for group in groups]
        by_speed = partition.balanced(layers, speeds, _most_layers(problem, groups))
        if by_speed is not None and by_speed != evenly:
            yield stages(groups, by_speed)


def stages(groups: Sequence[Sequence[Device]], counts: Sequence[int]) -> Copy:
    """The copy whose stages are these groups with so many layers each."""
    made, start = [], 0
    for group, count in zip(groups, counts, strict=True):
        devices = tuple(device.id for device in group)
        made.append(Stage(layer_start=start, layer_stop=start + count, devices=devices))
        start += count
    return tuple(made)


def _most_layers(problem: Problem, groups: Sequence[Sequence[Device]]) -> list[int]:
    """Layers that each stage's tightest device holds beside one request's KV cache."""
    spec, workload = problem.spec, problem.workload
    everyone = [device for group in groups for device in group]
    dtype = rules.resolve_dtype(spec, everyone, workload.dtype)
    if isinstance(dtype, Refusal):
        return [0] * len(groups)

    def left(layers: int, index: int, device: Device) -> int:
        """Bytes that stay free on a device of stage `index` with so many layers."""
        shard = Shard(
            layers=layers,
            first=index == 0,
            last=index == len(groups) - 1,
            tensor_parallel=len(groups[index]),
        )
        use = memory_use(spec, shard, device, dtype, workload, world_size=len(everyone))
        held = use.weights_bytes + use.activations_bytes + use.overhead_bytes
        return use.capacity_bytes - held - minimum_kv_bytes(spec, shard, dtype, workload)

    def most(index: int, device: Device) -> int:
        one, two = left(1, index, device), left(2, index, device)
        return 1 + one // (one - two)

    return [min(most(index, device) for device in group) for index, group in enumerate(groups)]


def _groups(devices: Sequence[Device], size: int) -> list[list[Device]]:
    """As many groups of `size` as the devices give."""
    return [list(devices[i : i + size]) for i in range(0, len(devices) - size + 1, size)]


def _strength(devices: Sequence[Device]) -> float:
    return sum(map(effective_bandwidth, devices))


def _weakness(device: Device) -> tuple[float, int, str]:
    return -effective_bandwidth(device), -device.memory_free_bytes, device.id


def _drives_best(node: Node) -> tuple[float, tuple[float, int, str]]:
    """Least host overhead first: the first PC of a copy runs the scheduler."""
    return (
        min(device.step_overhead_s for device in node.devices),
        min(map(_weakness, node.devices)),
    )


def order(problem: Problem, nodes: Sequence[NodeId]) -> list[NodeId]:
    """The order of PCs, from the first, in which a pipeline's hand-overs and its way back wait least."""

    def wait_s(way: Iterable[NodeId]) -> float:
        whole = list(way)
        return sum(map(problem.wait_s, whole, [*whole[1:], whole[0]]))

    first, rest = nodes[0], list(nodes[1:])
    if len(nodes) <= _EXHAUSTIVE_ORDER:
        return list(min(((first, *others) for others in permutations(rest)), key=wait_s))
    found = [first]
    while rest:
        nearest = min(rest, key=lambda node: problem.wait_s(found[-1], node))
        found.append(nearest)
        rest.remove(nearest)
    return found
