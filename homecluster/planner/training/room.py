"""Whether a rank's states and at least one sample fit its device, and its PC's memory where they are offloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from homecluster.domain.hardware import Device, DeviceKind, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.training import REDUCE_BUCKET_BYTES, TrainMemory
from homecluster.domain.units import format_bytes
from homecluster.planner import priors
from homecluster.planner.rules import Refusal
from homecluster.planner.training import training_priors
from homecluster.planner.training.groups import Group
from homecluster.planner.training.model_states import States

HOST_SHARE: Final = 0.8
"""Of a PC's memory that offloading may take; the rest is the system's and the data loader's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one device holds before any sample, and how many samples fit beside it."""

    states: States
    overhead_bytes: int
    capacity_bytes: int
    per_sample_bytes: int

    @property
    def spare_bytes(self) -> int:
        held = self.states
        fixed = held.weights_bytes + held.gradients_bytes + held.optimizer_bytes
        return self.capacity_bytes - fixed - self.overhead_bytes

    @property
    def samples(self) -> int:
        return max(0, self.spare_bytes) // self.per_sample_bytes


def refuse_memory(group: Group, rooms: Sequence[Room]) -> Refusal | None:
    """The first device that cannot hold its states and one sample."""
    for device, room in zip(group, rooms, strict=True):
        missing = room.per_sample_bytes - room.spare_bytes
        if missing > 0:
            held = room.states
            return Refusal(
                rule="memory",
                detail=f"{device.id} ({device.name}) lacks {format_bytes(missing)}: "
                f"{format_bytes(held.weights_bytes)} weights, "
                f"{format_bytes(held.gradients_bytes + held.optimizer_bytes)} gradients and optimiser, "
                f"{format_bytes(room.per_sample_bytes)} activations of one sample, "
                f"of {format_bytes(room.capacity_bytes)} usable",
                shortfall_bytes=missing,
            )
    return None


def refuse_host(
    group: Group, rooms: Sequence[Room], nodes: Mapping[NodeId, Node]
) -> Refusal | None:
    """The first PC whose memory cannot take what its devices offload."""
    for node_id in dict.fromkeys(device.node_id for device in group):
        needed = sum(
            room.states.host_bytes
            for device, room in zip(group, rooms, strict=True)
            if device.node_id == node_id
        )
        missing = needed - int(HOST_SHARE * nodes[node_id].ram_bytes)
        if missing > 0:
            return Refusal(
                rule="host-memory",
                detail=f"offloading needs {format_bytes(needed)} of {node_id}'s memory, "
                f"{format_bytes(missing)} too much",
                shortfall_bytes=missing,
            )
    return None


def overhead_bytes(device: Device, devices: int) -> int:
    buckets = training_priors.OVERLAP_BUCKETS * REDUCE_BUCKET_BYTES if devices > 1 else 0
    if device.kind is DeviceKind.CPU:
        return priors.CPU_PROCESS_BYTES + buckets
    collective = priors.NCCL_BYTES if devices > 1 else 0
    return priors.CUDA_CONTEXT_BYTES + collective + buckets


def memory_of(device: Device, room: Room, samples: int) -> TrainMemory:
    return TrainMemory(
        device=device.id,
        weights_bytes=room.states.weights_bytes,
        gradients_bytes=room.states.gradients_bytes,
        optimizer_bytes=room.states.optimizer_bytes,
        activations_bytes=samples * room.per_sample_bytes,
        overhead_bytes=room.overhead_bytes,
        capacity_bytes=room.capacity_bytes,
        host_bytes=room.states.host_bytes,
    )
