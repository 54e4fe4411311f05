"""What training is asked for, and what the planner answers: who takes which share, at what speed and memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homecluster.domain.estimate import Interval, Terms
from homecluster.domain.hardware import DType
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Verdict

REDUCE_BUCKET_BYTES: Final = 100_000_000
"""Gradients that are sent at once: 5e7 elements of 2 bytes. DeepSpeed's own 5e8 elements would take a gigabyte
of an 8 GB card. The planner prices it, and `engines.deepspeed` configures it."""
LIVE_PARAMETERS: Final = 1_000_000_000
"""Weights that ZeRO stage 3 keeps gathered from the way forth until the way back needs them: DeepSpeed's own default,
said to it, because memory and messages are planned with it."""
WHOLE_ELEMENTS: Final = 100_000
"""Tensors up to so many elements stage 3 keeps whole on every rank: again DeepSpeed's own default, said to it."""


class Method(StrEnum):
    """Which weights are trained: all, or small adapters beside weights kept in 16 or in 4 bits."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"


class Optimizer(StrEnum):
    ADAM = "adam"


class Offload(StrEnum):
    """What lives in the PC's memory instead of the card's."""

    NONE = "none"
    OPTIMIZER = "optimizer"
    PARAMETERS = "parameters"
    """The weights too; only ZeRO stage 3 can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Optimiser steps of `global_batch` samples of `sequence_tokens` each, however many devices share them."""

    sequence_tokens: int = 1024
    global_batch: int = 16
    method: Method = Method.FULL
    optimizer: Optimizer = Optimizer.ADAM
    dtype: DType | None = None
    """Of arithmetic; None: bf16 where every device can, else fp16."""
    lora_rank: int = 16
    memory_utilization: float = 0.90
    zero_stage: int | None = None
    """Only this stage of ZeRO; None: whichever is best."""

    def __post_init__(self) -> None:
        assert min(self.sequence_tokens, self.global_batch, self.lora_rank) > 0
        assert 0 < self.memory_utilization <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainMemory:
    """What one device holds at the peak of a step, against what it may."""

    device: DeviceId
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    """fp32 weights, both moments and the fp32 copy of the gradients."""
    activations_bytes: int
    overhead_bytes: int
    capacity_bytes: int
    host_bytes: int = 0
    """Offloaded into this PC's own memory on behalf of this device."""
    kv_cache_bytes: int = 0
    """Training keeps none; here so that serving and training documents read alike."""

    @property
    def used_bytes(self) -> int:
        return (
            self.weights_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.activations_bytes
            + self.overhead_bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEstimate:
    """Predicted speed and memory of one way to train."""

    step_s: Interval
    """One optimiser step over the whole global batch."""
    samples_per_s: Interval
    tokens_per_s: Interval
    terms: Terms
    """Where a step's time goes; they add up to `step_s.mid`."""
    hidden_s: float
    """Communication that runs behind computation, and so is in no term."""
    sent_bytes: int
    """What each rank sends over its link per step."""
    memory: tuple[TrainMemory, ...]
    assumptions: tuple[str, ...] = ()

    @property
    def bottleneck(self) -> str:
        return self.terms.bottleneck


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """One way to train on given devices, with what it is expected to take."""

    rank: int
    nodes: tuple[NodeId, ...]
    method: Method
    zero_stage: int
    offload: Offload
    recompute: bool
    """Keep only each layer's input, and compute the layer again on the way back."""
    overlap: bool
    """Communicate while computing."""
    micro_batch: tuple[tuple[DeviceId, int], ...]
    """Samples per device and micro-step; unequal where the devices are."""
    gradient_accumulation: int
    """Micro-steps per optimiser step."""
    estimate: TrainEstimate
    reason: str

    @property
    def devices(self) -> tuple[DeviceId, ...]:
        return tuple(device for device, _ in self.micro_batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRejection:
    """A way to train that cannot run, by which rule, and by how much it misses."""

    nodes: tuple[NodeId, ...]
    devices: int
    zero_stage: int
    offload: Offload
    rule: str
    detail: str
    shortfall_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlanSet:
    model: ModelSpec
    workload: Train
    trainable_parameters: int
    cluster_fingerprint: str
    verdict: Verdict
    plans: tuple[TrainPlan, ...]
    rejections: tuple[TrainRejection, ...]
