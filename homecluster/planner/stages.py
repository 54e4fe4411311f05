"""Groups of devices made stages of a copy: how many layers each is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homecluster.domain.hardware import Device, DType
from homecluster.domain.layout import Copy, Stage
from homecluster.planner import partition, rules
from homecluster.planner.compute import Shard, effective_bandwidth
from homecluster.planner.memory import memory_use, minimum_kv_bytes
from homecluster.planner.problem import Problem
from homecluster.planner.rules import Refusal


def cuts(problem: Problem, groups: Sequence[Sequence[Device]]) -> Iterator[Copy]:
    """Stages over `groups` in their order: split evenly, and by speed and memory where that differs; or as pinned."""
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
    everyone = [device for group in groups for device in group]
    dtype = rules.resolve_dtype(problem.spec, everyone, problem.workload.dtype)
    if isinstance(dtype, Refusal):
        return [0] * len(groups)

    def most(index: int, device: Device) -> int:
        one, two = (
            _left_bytes(problem, device, dtype, _shard(groups, index, layers), len(everyone))
            for layers in (1, 2)
        )
        return 1 + one // (one - two)

    return [min(most(index, device) for device in group) for index, group in enumerate(groups)]


def _left_bytes(problem: Problem, device: Device, dtype: DType, shard: Shard, ranks: int) -> int:
    """That stay free on a device beside its share and one request's cache; negative where they lack."""
    spec, workload = problem.spec, problem.workload
    use = memory_use(spec, shard, device, dtype, workload, world_size=ranks)
    held = use.weights_bytes + use.activations_bytes + use.overhead_bytes
    return use.capacity_bytes - held - minimum_kv_bytes(spec, shard, dtype, workload)


def _shard(groups: Sequence[Sequence[Device]], index: int, layers: int) -> Shard:
    return Shard(
        layers=layers,
        first=index == 0,
        last=index == len(groups) - 1,
        tensor_parallel=len(groups[index]),
    )
