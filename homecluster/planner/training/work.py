"""How long one device computes on its samples, and on its share of the optimiser."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.training import Method, Train
from homecluster.planner import compute, weights
from homecluster.planner.training import training_priors as priors
from homecluster.planner.training.adapters import (
    adapter_parameters_met,
    held_weight_bytes,
    layer_matrices,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A micro-step of one device: seconds per sample, and whatever the number of samples."""

    sample_s: float
    overhead_s: float
    """Launches of each layer's operations, both ways."""
    memory_s: float
    """Weights streamed through the device; on a GPU it hides behind arithmetic of many tokens."""
    hides_memory: bool

    @property
    def fixed_s(self) -> float:
        return self.overhead_s + (0.0 if self.hides_memory else self.memory_s)

    def compute_s(self, samples: int) -> float:
        return samples * self.sample_s + self.overhead_s

    def waiting_s(self, samples: int) -> float:
        """Memory time beyond what arithmetic hides."""
        if not self.hides_memory:
            return self.memory_s
        return max(0.0, self.memory_s - samples * self.sample_s)

    def total_s(self, samples: int) -> float:
        return self.compute_s(samples) + self.waiting_s(samples)


def pace(
    spec: ModelSpec, workload: Train, device: Device, dtype: DType, *, recompute: bool
) -> Pace:
    """Arithmetic, weight streaming and launches of one micro-step on `device`."""
    passes = passes_per_step(workload.method, recompute=recompute)
    flop = step_flop(spec, workload, recompute=recompute)
    moved = passes * held_weight_bytes(spec, workload.method, dtype)
    hides = device.kind is not DeviceKind.CPU
    overhead_s = passes * spec.layers * device.layer_overhead_s
    if workload.method is Method.QLORA:
        copied = passes * weights.parameter_count(spec) * priors.COPY_BYTES_PER_WEIGHT
        overhead_s += copied / compute.effective_bandwidth(device)
    return Pace(
        sample_s=flop / compute.effective_flops(device, dtype),
        overhead_s=overhead_s,
        memory_s=moved / compute.effective_bandwidth(device),
        hides_memory=hides,
    )


def passes_per_step(method: Method, *, recompute: bool) -> int:
    """Times that the weights are gone through: the way forth, the way back, and the second way forth."""
    back = priors.PASSES_BACKWARD if method is Method.FULL else priors.PASSES_BACKWARD_FROZEN
    return priors.PASSES_FORWARD * (2 if recompute else 1) + back


def step_flop(spec: ModelSpec, workload: Train, *, recompute: bool) -> float:
    """FLOP of one sample's micro-step, as many as take its time at the rate of a whole pass.

        passes (f + 2 s A) - p 2 s P        passes: forth, twice back, and forth again to recompute

    f: the forward pass; s tokens; A weights of adapters, P frozen weights that a token meets; p: the share
    of a pass that products take. The subtracted term is the product that gives frozen weights' gradients.
    """
    tokens = workload.sequence_tokens
    passes = passes_per_step(Method.FULL, recompute=recompute)
    forward = sample_flop(spec, tokens)
    if workload.method is Method.FULL:
        return passes * forward
    adapters = 2 * tokens * adapter_parameters_met(spec, workload.lora_rank)
    frozen = 2 * tokens * weights.active_parameters(spec)
    return passes * (forward + adapters) - priors.PRODUCT_SHARE * frozen


def sample_flop(spec: ModelSpec, sequence_tokens: int) -> float:
    """FLOP of one sample's forward pass.

    2 per active parameter and token, and 4 x heads x head size per pair of tokens that see each other: all
    pairs in an encoder, half of them in a decoder.
    """
    seen = sequence_tokens / 2 if spec.generates else sequence_tokens
    if spec.sliding_window_tokens is not None:
        seen = min(seen, spec.sliding_window_tokens)
    attention = 4 * spec.heads * spec.head_size * seen * spec.layers
    return sequence_tokens * (2 * weights.active_parameters(spec) + attention)


def backward_share(spec: ModelSpec, workload: Train, *, recompute: bool) -> float:
    """Of a micro-step's arithmetic: only on the way back are gradients ready."""
    forward = sample_flop(spec, workload.sequence_tokens)
    return 1 - forward / step_flop(spec, workload, recompute=recompute)


def host_s(spec: ModelSpec, workload: Train, stage: int) -> float:
    """Python's own work in a micro-step over several devices; stage 3 stops at every module to gather it."""
    if stage != 3:  # noqa: PLR2004 - the stage's own number
        return priors.HOST_MICRO_STEP_S
    adapted = 0 if workload.method is Method.FULL else len(layer_matrices(spec))
    modules = spec.layers * (priors.MODULES_PER_LAYER + adapted * priors.MODULES_PER_ADAPTER)
    return priors.HOST_MICRO_STEP_S + modules * priors.GATHERING_MODULE_S


def optimizer_s(device: Device, parameters: float) -> float:
    """Adam over `parameters` of this device's own memory."""
    return parameters * priors.OPTIMIZER_TRAFFIC_BYTES / compute.effective_bandwidth(device)
