"""How long one device computes on its samples, and on its share of the optimiser."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.training import Method, Train
from homecluster.planner import compute, weights
from homecluster.planner.training import training_priors as priors
from homecluster.planner.training.adapters import held_weight_bytes


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
    flop = passes * sample_flop(spec, workload.sequence_tokens)
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
    """Times a forward pass's arithmetic: the way forth, the way back, and the second way forth."""
    back = priors.PASSES_BACKWARD if method is Method.FULL else priors.PASSES_BACKWARD_FROZEN
    return priors.PASSES_FORWARD * (2 if recompute else 1) + back


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


def optimizer_s(device: Device, parameters: float) -> float:
    """Adam over `parameters` of this device's own memory."""
    return parameters * priors.OPTIMIZER_TRAFFIC_BYTES / compute.effective_bandwidth(device)
