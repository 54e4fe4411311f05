"""The ways in which a group of devices can train a model, each with its memory and step time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Offload, Train, TrainMemory
from homecluster.planner.memory import capacity_bytes
from homecluster.planner.network import Fabric
from homecluster.planner.rules import Refusal
from homecluster.planner.training import adapters, model_states
from homecluster.planner.training.activations import activation_bytes
from homecluster.planner.training.communication import Communication, communication
from homecluster.planner.training.groups import Group
from homecluster.planner.training.micro_batches import accumulations, split
from homecluster.planner.training.room import (
    Room,
    memory_of,
    overhead_bytes,
    refuse_host,
    refuse_memory,
)
from homecluster.planner.training.step import Share, StepTime, step_time
from homecluster.planner.training.training_rules import has_bf16, refuse_group
from homecluster.planner.training.work import Pace, pace, passes_per_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to train on a group that fits its memory."""

    group: Group
    dtype: DType
    stage: int
    offload: Offload
    recompute: bool
    overlap: bool
    micro_batch: tuple[int, ...]
    accumulation: int
    memory: tuple[TrainMemory, ...]
    messages: Communication
    time: StepTime

    @property
    def step_s(self) -> float:
        return self.time.terms.total_s

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        return tuple(dict.fromkeys(device.node_id for device in self.group))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A group's devices with their room, speed and samples, in one order."""

    group: Group
    rooms: Sequence[Room]
    paces: Sequence[Pace]
    samples: tuple[int, ...]


class Trainer:
    """Costs groups of one cluster for one model and workload; remembers only what devices can do."""

    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Train) -> None:
        self.spec = spec
        self.workload = workload
        self.fabric = Fabric(cluster)
        self.trainable = adapters.trainable_parameters(spec, workload.method, workload.lora_rank)
        self._nodes = {node.id: node for node in cluster.nodes}
        self._paces: dict[tuple[str, DType, bool], Pace] = {}
        self._held: dict[DType, tuple[int, int]] = {}

    def ways(self, group: Group) -> tuple[list[Way], list[Refusal]]:
        """What fits this group, unsorted; and why the rest does not.

        Offloading only slows what fits without it, so it is looked at where nothing else fits.
        """
        refusal = refuse_group(self.spec, self.workload, group, self.fabric)
        if refusal is not None:
            return [], [refusal]
        refusals: list[Refusal] = []
        for offload in Offload:
            found: list[Way] = []
            for stage in _stages(group, offload, self.workload.zero_stage):
                ways, refused = self._of_stage(group, stage, offload)
                found += ways
                refusals += refused
            if found:
                return found, refusals
        return [], refusals

    def best(self, group: Group) -> Way | None:
        found, _ = self.ways(group)
        return min(found, key=by_speed, default=None)

    def _of_stage(
        self, group: Group, stage: int, offload: Offload
    ) -> tuple[list[Way], list[Refusal]]:
        found: list[Way] = []
        refusals: list[Refusal] = []
        for recompute in (False, True):
            ways = self._ways(group, stage, offload, recompute=recompute)
            if isinstance(ways, Refusal):
                refusals.append(ways)
                continue
            found += ways
            if ways[0].accumulation == 1:
                break  # recomputing would only save memory that is not short
        return found, refusals

    def _ways(
        self, group: Group, stage: int, offload: Offload, *, recompute: bool
    ) -> list[Way] | Refusal:
        dtype = self._dtype(group)
        per_sample = activation_bytes(
            self.spec,
            sequence_tokens=self.workload.sequence_tokens,
            samples=1,
            dtype=dtype,
            recompute=recompute,
        )
        rooms = self._rooms(group, dtype, stage, offload, per_sample)
        short = refuse_memory(group, rooms) or refuse_host(group, rooms, self._nodes)
        if short is not None:
            return short
        paces = [self._pace(device, dtype, recompute=recompute) for device in group]
        for accumulation in accumulations(self.workload.global_batch):
            micro_batch = split(
                self.workload.global_batch // accumulation,
                [one.sample_s for one in paces],
                [one.fixed_s for one in paces],
                [room.samples for room in rooms],
            )
            if micro_batch is not None:
                break
        else:
            return Refusal(
                rule="batch",
                detail=f"a batch of {self.workload.global_batch} has no equal micro-steps that give each of "
                f"{len(group)} devices a sample and fit their memory",
            )
        messages = self._messages(group, dtype, stage, accumulation)
        return [
            self._way(
                _Fit(group=group, rooms=rooms, paces=paces, samples=micro_batch),
                dtype=dtype,
                stage=stage,
                offload=offload,
                accumulation=accumulation,
                messages=messages,
                recompute=recompute,
                overlap=overlap,
            )
            for overlap in _overlaps(group)
        ]

    def _way(
        self,
        fit: _Fit,
        *,
        dtype: DType,
        stage: int,
        offload: Offload,
        accumulation: int,
        messages: Communication,
        recompute: bool,
        overlap: bool,
    ) -> Way:
        passes = passes_per_step(self.workload.method, recompute=recompute)
        shares = [
            Share(device=device, node=self._nodes[device.node_id], pace=speed, samples=samples)
            for device, speed, samples in zip(fit.group, fit.paces, fit.samples, strict=True)
        ]
        time = step_time(
            shares,
            messages,
            stage=stage,
            offload=offload,
            overlap=overlap,
            accumulation=accumulation,
            trainable=self.trainable,
            weights_bytes=self._weights(dtype)[0],
            backward_share=1 - 1 / passes,
        )
        return Way(
            group=fit.group,
            dtype=dtype,
            stage=stage,
            offload=offload,
            recompute=recompute,
            overlap=overlap,
            micro_batch=fit.samples,
            accumulation=accumulation,
            memory=tuple(map(memory_of, fit.group, fit.rooms, fit.samples)),
            messages=messages,
            time=time,
        )

    def _messages(self, group: Group, dtype: DType, stage: int, accumulation: int) -> Communication:
        return communication(
            self.fabric,
            group,
            stage=stage,
            trainable=self.trainable,
            weights_bytes=self._weights(dtype)[0],
            layers=self.spec.layers,
            accumulation=accumulation,
        )

    def _rooms(
        self, group: Group, dtype: DType, stage: int, offload: Offload, per_sample_bytes: int
    ) -> list[Room]:
        weights_bytes, largest = self._weights(dtype)
        in_node = Counter(device.node_id for device in group)
        return [
            Room(
                states=model_states.states(
                    weights_bytes=weights_bytes,
                    trainable=self.trainable,
                    largest_layer_bytes=largest,
                    devices=len(group),
                    devices_of_node=in_node[device.node_id],
                    stage=stage,
                    offload=offload,
                ),
                overhead_bytes=overhead_bytes(device, len(group)),
                capacity_bytes=capacity_bytes(device, self.workload.memory_utilization),
                per_sample_bytes=per_sample_bytes,
            )
            for device in group
        ]

    def _dtype(self, group: Group) -> DType:
        if self.workload.dtype is not None:
            return self.workload.dtype
        return DType.BF16 if all(map(has_bf16, group)) else DType.FP16

    def _pace(self, device: Device, dtype: DType, *, recompute: bool) -> Pace:
        key = (device.id, dtype, recompute)
        if key not in self._paces:
            self._paces[key] = pace(self.spec, self.workload, device, dtype, recompute=recompute)
        return self._paces[key]

    def _weights(self, dtype: DType) -> tuple[int, int]:
        """Bytes of the whole model, and of what ZeRO-3 gathers at once."""
        if dtype not in self._held:
            method = self.workload.method
            self._held[dtype] = (
                adapters.held_weight_bytes(self.spec, method, dtype),
                adapters.layer_bytes(self.spec, method, dtype),
            )
        return self._held[dtype]


def by_speed(way: Way) -> tuple[float, int, int, bool, bool]:
    """Sorts the fastest first; of equals, the simpler."""
    return (round(way.step_s, 9), len(way.group), way.stage, way.recompute, way.overlap)


def _stages(group: Group, offload: Offload, pinned: int | None) -> Iterator[int]:
    """A device alone has nothing to share out, and offloading needs the stage that does."""
    if offload is Offload.NONE and pinned is not None and len(group) > 1:
        yield pinned
    elif offload is Offload.NONE:
        yield from model_states.STAGES if len(group) > 1 else model_states.STAGES[:1]
    elif group[0].kind is DeviceKind.CUDA:  # a CPU's own memory is the host's
        yield from (2, 3) if offload is Offload.OPTIMIZER else (3,)


def _overlaps(group: Group) -> tuple[bool, ...]:
    """DeepSpeed overlaps on a second CUDA stream; a CPU has none."""
    can = len(group) > 1 and group[0].kind is DeviceKind.CUDA
    return (False, True) if can else (False,)
