"""What one training asks of any device: bytes, seconds and samples that fit, each worked out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from homecluster.domain.hardware import Device, DType, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.training import Offload, Train
from homecluster.planner.memory import capacity_bytes
from homecluster.planner.network import Fabric
from homecluster.planner.training import adapters, model_states, work
from homecluster.planner.training.activations import activation_bytes
from homecluster.planner.training.communication import Communication, communication
from homecluster.planner.training.groups import Group
from homecluster.planner.training.room import Room, overhead_bytes
from homecluster.planner.training.small_tensors import small_tensors
from homecluster.planner.training.step import Share, StepTime, step_time
from homecluster.planner.training.training_rules import has_bf16


class Demand:
    """Of one model and workload; remembers what it worked out."""

    def __init__(self, spec: ModelSpec, workload: Train) -> None:
        self._spec = spec
        self._workload = workload
        self.trainable = adapters.trainable_parameters(spec, workload.method, workload.lora_rank)
        self._small_tensors = small_tensors(spec, workload.method, workload.lora_rank)
        self._paces: dict[tuple[str, DType, bool], work.Pace] = {}
        self._held: dict[DType, tuple[int, int]] = {}

    def dtype(self, group: Group) -> DType:
        if self._workload.dtype is not None:
            return self._workload.dtype
        return DType.BF16 if all(map(has_bf16, group)) else DType.FP16

    def paces(self, group: Group, *, recompute: bool) -> list[work.Pace]:
        """How fast each device of the group computes."""
        dtype = self.dtype(group)
        return [self._pace(device, dtype, recompute=recompute) for device in group]

    def rooms(self, group: Group, stage: int, offload: Offload, *, recompute: bool) -> list[Room]:
        """What each device of the group would hold, and how much room that leaves for samples."""
        dtype = self.dtype(group)
        weights_bytes, largest = self._weights(dtype)
        in_node = Counter(device.node_id for device in group)
        per_sample = activation_bytes(
            self._spec,
            sequence_tokens=self._workload.sequence_tokens,
            samples=1,
            dtype=dtype,
            recompute=recompute,
        )
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
                capacity_bytes=capacity_bytes(device, self._workload.memory_utilization),
                per_sample_bytes=per_sample,
            )
            for device in group
        ]

    def messages(
        self, fabric: Fabric, group: Group, stage: int, accumulation: int
    ) -> Communication:
        """Of one optimiser step of one rank."""
        return communication(
            fabric,
            group,
            stage=stage,
            trainable=self.trainable,
            weights_bytes=self._weights(self.dtype(group))[0],
            layers=self._spec.layers,
            accumulation=accumulation,
            small_tensors=self._small_tensors,
        )

    def time(
        self,
        shares: Sequence[Share],
        messages: Communication,
        *,
        stage: int,
        offload: Offload,
        overlap: bool,
        recompute: bool,
        accumulation: int,
    ) -> StepTime:
        """One optimiser step in which each device takes its share of the samples."""
        group = tuple(share.device for share in shares)
        return step_time(
            shares,
            messages,
            stage=stage,
            offload=offload,
            overlap=overlap,
            accumulation=accumulation,
            trainable=self.trainable,
            weights_bytes=self._weights(self.dtype(group))[0],
            backward_share=work.backward_share(self._spec, self._workload, recompute=recompute),
            host_micro_step_s=work.host_s(self._spec, self._workload, stage),
        )

    def _pace(self, device: Device, dtype: DType, *, recompute: bool) -> work.Pace:
        key = (device.id, dtype, recompute)
        if key not in self._paces:
            self._paces[key] = work.pace(
                self._spec, self._workload, device, dtype, recompute=recompute
            )
        return self._paces[key]

    def _weights(self, dtype: DType) -> tuple[int, int]:
        """Bytes of the whole model, and of what ZeRO-3 gathers at once."""
        if dtype not in self._held:
            method = self._workload.method
            self._held[dtype] = (
                adapters.held_weight_bytes(self._spec, method, dtype),
                adapters.layer_bytes(self._spec, method, dtype),
            )
        return self._held[dtype]


def shares_of(
    group: Group, nodes: Mapping[NodeId, Node], paces: Sequence[work.Pace], samples: Sequence[int]
) -> list[Share]:
    return [
        Share(device=device, node=nodes[device.node_id], pace=pace, samples=count)
        for device, pace, count in zip(group, paces, samples, strict=True)
    ]
