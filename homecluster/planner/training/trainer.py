"""The ways in which a group of devices can train a model, each with its memory and step time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Offload, Train, TrainMemory
from homecluster.planner.network import Fabric
from homecluster.planner.rules import Refusal
from homecluster.planner.training import model_states
from homecluster.planner.training.communication import Communication
from homecluster.planner.training.demand import Demand, shares_of
from homecluster.planner.training.groups import Group
from homecluster.planner.training.micro_batches import accumulations, split
from homecluster.planner.training.room import Room, memory_of, refuse_host, refuse_memory
from homecluster.planner.training.step import StepTime
from homecluster.planner.training.training_rules import refuse_group
from homecluster.planner.training.work import Pace


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


class Trainer:
    """Costs groups of one cluster for one model and workload."""

    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Train) -> None:
        self.spec = spec
        self.workload = workload
        self.fabric = Fabric(cluster)
        self.demand = Demand(spec, workload)
        self._nodes = {node.id: node for node in cluster.nodes}

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
        rooms = self.demand.rooms(group, stage, offload, recompute=recompute)
        short = refuse_memory(group, rooms) or refuse_host(group, rooms, self._nodes)
        if short is not None:
            return short
        paces = self.demand.paces(group, recompute=recompute)
        cut = self._cut(group, rooms, paces)
        if isinstance(cut, Refusal):
            return cut
        accumulation, samples = cut
        shares = shares_of(group, self._nodes, paces, samples)
        messages = self.demand.messages(self.fabric, group, stage, accumulation)
        return [
            Way(
                group=group,
                dtype=self.demand.dtype(group),
                stage=stage,
                offload=offload,
                recompute=recompute,
                overlap=overlap,
                micro_batch=samples,
                accumulation=accumulation,
                memory=tuple(map(memory_of, group, rooms, samples)),
                messages=messages,
                time=self.demand.time(
                    shares,
                    messages,
                    stage=stage,
                    offload=offload,
                    overlap=overlap,
                    recompute=recompute,
                    accumulation=accumulation,
                ),
            )
            for overlap in _overlaps(group)
        ]

    def _cut(
        self, group: Group, rooms: Sequence[Room], paces: Sequence[Pace]
    ) -> tuple[int, tuple[int, ...]] | Refusal:
        """(micro-steps per step, samples of each device in one): the fewest micro-steps that fit."""
        for accumulation in accumulations(self.workload.global_batch):
            samples = split(
                self.workload.global_batch // accumulation,
                [one.sample_s for one in paces],
                [one.fixed_s for one in paces],
                [room.samples for room in rooms],
            )
            if samples is not None:
                return accumulation, samples
        return Refusal(
            rule="batch",
            detail=f"a batch of {self.workload.global_batch} has no equal micro-steps that give each of "
            f"{len(group)} devices a sample and fit their memory",
        )


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
