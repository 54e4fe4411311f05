"""Which copies are worth costing: the ways to lay one model over some devices that an engine could run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby, permutations

from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Stage
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import partition
from homecluster.planner.compute import Shard, effective_bandwidth
from homecluster.planner.memory import memory_use, minimum_kv_bytes

_EXHAUSTIVE_ORDER = 5
"""Pipelines over up to so many PCs try every order; longer ones go to the nearest next PC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the user fixed; None leaves it to the planner."""

    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    replicas: int | None = None
    partition: tuple[int, ...] | None = None

    def allow(self, tensor_parallel: int, pipeline_parallel: int) -> bool:
        return self.tensor_parallel in (None, tensor_parallel) and self.pipeline_parallel in (
            None,
            pipeline_parallel,
        )

    @property
    def free(self) -> bool:
        return self == Pins()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What candidates are made for."""

    cluster: Cluster
    spec: ModelSpec
    workload: Serve
    pins: Pins


def local_copies(problem: Problem, node: Node) -> Iterator[Copy]:
    """Copies inside one PC: every tensor and pipeline size over its like devices, and one pipeline over unlike ones."""
    classes = device_classes(node)
    for devices in classes:
        for size in range(1, len(devices) + 1):
            for stages in range(1, len(devices) // size + 1):
                if problem.pins.allow(size, stages):
                    yield from _split(problem, _groups(devices, size)[:stages])
    for kind in DeviceKind:
        alike = [devices for devices in classes if devices[0].kind is kind]
        if len(alike) > 1:
            for size in range(1, max(map(len, alike)) + 1):
                groups = [group for devices in alike for group in _groups(devices, size)]
                if len(groups) > 1 and problem.pins.allow(size, len(groups)):
                    yield from _split(problem, groups)


def spanning_copies(problem: Problem) -> Iterator[Copy]:
    """Copies over several PCs; of PCs and links that are alike, only the first choice."""
    for kind in DeviceKind:
        nodes = [
            node for node in problem.cluster.nodes if any(d.kind is kind for d in node.devices)
        ]
        seen: set[object] = set()
        for count in range(2, len(nodes) + 1):
            for chosen in combinations(nodes, count):
                signature = _signature(problem.cluster, chosen)
                if signature not in seen:
                    seen.add(signature)
                    yield from _over(problem, chosen, kind)


def device_classes(node: Node) -> list[list[Device]]:
    """The PC's devices, those that differ only by their id together."""

    def facts(device: Device) -> str:
        return repr(replace(device, id=DeviceId("")))

    ordered = sorted(node.devices, key=lambda device: (facts(device), device.id))
    return [list(group) for _, group in groupby(ordered, key=facts)]


def _over(problem: Problem, nodes: Sequence[Node], kind: DeviceKind) -> Iterator[Copy]:
    """Tensor parallel across the PCs, and pipelines whose stages each stay inside one."""
    largest = {
        node.id: max(
            (devices for devices in device_classes(node) if devices[0].kind is kind), key=_strength
        )
        for node in nodes
    }
    fewest = min(len(devices) for devices in largest.values())
    for each in range(1, fewest + 1):
        if problem.pins.allow(each * len(nodes), 1):
            group = [device for node in nodes for device in largest[node.id][:each]]
            yield from _split(problem, [group])
    order = _order(problem.cluster, [node.id for node in nodes])
    for size in range(1, fewest + 1):
        single = [largest[node_id][:size] for node_id in order]
        every = [group for node_id in order for group in _groups(largest[node_id], size)]
        for groups in [single] if len(every) == len(single) else [single, every]:
            if problem.pins.allow(size, len(groups)):
                yield from _split(problem, groups)


def _split(problem: Problem, groups: Sequence[Sequence[Device]]) -> Iterator[Copy]:
    """Stages over `groups` in their order: split evenly, and by speed and memory where that differs."""
    layers, pinned = problem.spec.layers, problem.pins.partition
    if pinned is not None:
        if len(pinned) == len(groups):
            yield _stages(groups, pinned)
        return
    if len(groups) > layers:
        yield _stages(groups[:1], (layers,))
        return
    evenly = partition.even(layers, len(groups))
    yield _stages(groups, evenly)
    if len(groups) > 1:
        speeds = [min(map(effective_bandwidth, group)) * len(group) for group in groups]
        by_speed = partition.balanced(layers, speeds, _most_layers(problem, groups))
        if by_speed is not None and by_speed != evenly:
            yield _stages(groups, by_speed)


def _stages(groups: Sequence[Sequence[Device]], counts: Sequence[int]) -> Copy:
    stages, start = [], 0
    for group, count in zip(groups, counts, strict=True):
        devices = tuple(device.id for device in group)
        stages.append(Stage(layer_start=start, layer_stop=start + count, devices=devices))
        start += count
    return tuple(stages)


def _most_layers(problem: Problem, groups: Sequence[Sequence[Device]]) -> list[int]:
    """Layers that each stage's tightest device holds beside one request's KV cache."""
    spec, workload = problem.spec, problem.workload
    dtype = workload.dtype or (DType.BF16 if spec.dtype is DType.FP32 else spec.dtype)
    world = sum(len(group) for group in groups)
    most = []
    for index, group in enumerate(groups):
        room = []
        for device in group:
            one, two = (
                Shard(
                    layers=count,
                    first=index == 0,
                    last=index == len(groups) - 1,
                    tensor_parallel=len(group),
                )
                for count in (1, 2)
            )
            used = [
                memory_use(spec, shard, device, dtype, workload, world_size=world).weights_bytes
                + minimum_kv_bytes(spec, shard, dtype, workload)
                for shard in (one, two)
            ]
            use = memory_use(spec, one, device, dtype, workload, world_size=world)
            budget = use.capacity_bytes - use.activations_bytes - use.overhead_bytes
            room.append(1 + (budget - used[0]) // (used[1] - used[0]))
        most.append(int(min(room)))
    return most


def _groups(devices: Sequence[Device], size: int) -> list[list[Device]]:
    """As many groups of `size` as the devices give."""
    return [list(devices[i : i + size]) for i in range(0, len(devices) - size + 1, size)]


def _strength(devices: Sequence[Device]) -> float:
    return sum(map(effective_bandwidth, devices))


def _order(cluster: Cluster, nodes: Sequence[NodeId]) -> list[NodeId]:
    """The order of PCs in which a pipeline's hand-overs and its way back wait least."""

    def wait_s(way: Iterable[NodeId]) -> float:
        order = tuple(way)
        total = 0.0
        for index, src in enumerate(order):
            link = cluster.link(src, order[(index + 1) % len(order)])
            total += link.latency_s + link.jitter_s if link else 1.0
        return total

    if len(nodes) <= _EXHAUSTIVE_ORDER:
        return list(min(permutations(nodes), key=wait_s))
    order, left = [nodes[0]], list(nodes[1:])
    while left:
        nearest = min(left, key=lambda node: wait_s([order[-1], node]))
        order.append(nearest)
        left.remove(nearest)
    return order


def _signature(cluster: Cluster, nodes: Sequence[Node]) -> object:
    """Equal for choices of PCs that no estimate can tell apart."""

    def facts(node: Node) -> str:
        plain = [replace(d, id=DeviceId(""), node_id=NodeId("")) for d in node.devices]
        return repr((sorted(map(repr, plain)), node.interconnect))

    def link(a: Node, b: Node) -> str:
        found = cluster.link(a.id, b.id)
        return repr((facts(a), facts(b), found and replace(found, src=NodeId(""), dst=NodeId(""))))

    return tuple(sorted(link(a, b) for a in nodes for b in nodes if a.id != b.id))
