"""How long one device computes on its share of a model: a roofline of bytes and arithmetic, and overheads."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import DTYPE_BYTES, Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.planner import priors, weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What one rank holds: its stage's layers, cut by the tensor parallel size."""

    layers: int
    first: bool
    last: bool
    tensor_parallel: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Seconds of one step on one device; whichever of arithmetic and bytes binds hides the other on a GPU."""

    compute_s: float
    memory_s: float

    @property
    def total_s(self) -> float:
        return self.compute_s + self.memory_s


def kv_bytes_per_token(spec: ModelSpec, shard: Shard, dtype: DType) -> int:
    """KV cache of one token on one rank: keys and values of its layers and of its KV heads (copied if tp > heads)."""
    kv_heads = -(-spec.kv_heads // shard.tensor_parallel)
    return 2 * kv_heads * spec.head_size * shard.layers * DTYPE_BYTES[dtype]


def decode(
    spec: ModelSpec,
    shard: Shard,
    device: Device,
    dtype: DType,
    *,
    sequences: float,
    context_tokens: float,
) -> Work:
    """One token for each of `sequences`, each attending to `context_tokens`."""
    memory_s, compute_s = parts(
        spec, shard, device, dtype, sequences=sequences, tokens_each=context_tokens, decode=True
    )
    return _roofline(device, memory_s, compute_s, shard.layers)


def prefill(
    spec: ModelSpec,
    shard: Shard,
    device: Device,
    dtype: DType,
    *,
    prompts: float,
    prompt_tokens: int,
) -> Work:
    """The first pass over `prompts` prompts; each token attends to half of its prompt on average."""
    memory_s, compute_s = parts(
        spec, shard, device, dtype, sequences=prompts, tokens_each=prompt_tokens, decode=False
    )
    return _roofline(device, memory_s, compute_s, shard.layers)


def parts(
    spec: ModelSpec,
    shard: Shard,
    device: Device,
    dtype: DType,
    *,
    sequences: float,
    tokens_each: float,
    decode: bool,
) -> tuple[float, float]:
    """(seconds of reading, seconds of arithmetic) before either hides the other, and without the layers' overhead.

    Both grow by the same amount with every layer.
    """
    if decode:
        moved_bytes, flop = _decode_demand(
            spec, shard, device, dtype, sequences=sequences, context_tokens=tokens_each
        )
    else:
        moved_bytes, flop = _prefill_demand(
            spec, shard, device, dtype, prompts=sequences, prompt_tokens=tokens_each
        )
    return moved_bytes / effective_bandwidth(device), flop / effective_flops(device, dtype)


def _decode_demand(
    spec: ModelSpec,
    shard: Shard,
    device: Device,
    dtype: DType,
    *,
    sequences: float,
    context_tokens: float,
) -> tuple[float, float]:
    weight_bytes = weights.decode_read_bytes(
        spec,
        layers=shard.layers,
        first=shard.first,
        last=shard.last,
        tensor_parallel=shard.tensor_parallel,
        dtype=dtype,
        sequences=sequences,
    )
    window = spec.sliding_window_tokens
    seen_tokens = min(context_tokens, window) if window else context_tokens
    cache_bytes = sequences * seen_tokens * kv_bytes_per_token(spec, shard, dtype)
    flop = _flop(spec, shard, tokens=sequences, context_tokens=seen_tokens, sampled=sequences)
    return weight_bytes + cache_bytes * _cache_slowness(device), flop


def _prefill_demand(
    spec: ModelSpec,
    shard: Shard,
    device: Device,
    dtype: DType,
    *,
    prompts: float,
    prompt_tokens: float,
) -> tuple[float, float]:
    weight_bytes = weights.stage_weight_bytes(
        spec,
        layers=shard.layers,
        first=shard.first,
        last=shard.last,
        tensor_parallel=shard.tensor_parallel,
        dtype=dtype,
    )
    flop = _flop(
        spec,
        shard,
        tokens=prompts * prompt_tokens,
        context_tokens=prompt_tokens / 2 * _attention_slowness(device, dtype),
        sampled=prompts,
    )
    return weight_bytes, flop


def _flop(
    spec: ModelSpec, shard: Shard, *, tokens: float, context_tokens: float, sampled: float
) -> float:
    """Arithmetic of one rank.

    2 FLOP per active parameter and token; 4 x heads x head size x context per token and layer for
    attention; the output head only for the tokens that are sampled.
    """
    head = spec.vocab_size * spec.hidden_size if spec.generates else 0
    per_layer = (weights.active_parameters(spec) - head) / spec.layers
    attention = 4 * spec.heads * spec.head_size * context_tokens
    flop = tokens * shard.layers * (2 * per_layer + attention)
    if shard.last:
        flop += 2 * sampled * head
    return flop / shard.tensor_parallel


def _roofline(device: Device, memory_s: float, compute_s: float, layers: int) -> Work:
    overhead_s = layers * device.layer_overhead_s
    if device.kind is DeviceKind.CPU:
        # Cores that fetch weights do not multiply meanwhile: measured decode steps are sums, not maxima.
        return Work(compute_s=compute_s + overhead_s, memory_s=memory_s)
    if memory_s >= compute_s:
        return Work(compute_s=overhead_s, memory_s=memory_s)
    return Work(compute_s=compute_s + overhead_s, memory_s=0.0)


def _cache_slowness(device: Device) -> float:
    """How much longer a byte of KV cache takes than a byte of weights: attention on a CPU takes twice as long."""
    cache_rate = device.kv_cache_bandwidth_bytes_per_s
    return device.memory_bandwidth_bytes_per_s / cache_rate if cache_rate else 1.0


def _attention_slowness(device: Device, dtype: DType) -> float:
    """How much longer a prefill's attention takes than as much other arithmetic."""
    rate = device.attention_flop_per_s
    return effective_flops(device, dtype) / rate if rate else 1.0


def effective_bandwidth(device: Device) -> float:
    """Bytes per second that a decode step reaches."""
    provenance = device.provenance_of("memory_bandwidth_bytes_per_s")
    return device.memory_bandwidth_bytes_per_s * priors.BANDWIDTH_EFFICIENCY[provenance]


def effective_flops(device: Device, dtype: DType) -> float:
    """FLOP per second that a prefill reaches; a format the device lacks runs at half of fp32's or the slowest known rate."""
    provenance = device.provenance_of("peak_flop_per_s")
    rate = device.flop_per_s(dtype) or min(flops for _, flops in device.peak_flop_per_s)
    return rate * priors.FLOP_EFFICIENCY[provenance]
