"""Whether a share of a model fits a device, and how much KV cache is left, as vLLM budgets it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from homecluster.domain.estimate import MemoryUse
from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.planner import priors, weights
from homecluster.planner.compute import Shard, kv_bytes_per_token

_LARGE_CARD_BYTES = 70 * GIB
_CPU_KV_FLOOR_BYTES = 1 * GIB
_CPU_KV_HEADROOM = 2.0
"""A CPU engine is told how much cache to take: twice what the workload needs, so that a longer prompt still fits."""
_BLOCK_TOKENS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """What one engine step may hold, by vLLM's server defaults for a device."""

    batched_tokens: int
    sequences: int


def engine_limits(device: Device, world_size: int) -> EngineLimits:
    """vLLM 0.32 `EngineArgs`: by device memory on CUDA, by ranks on CPU."""
    if device.kind is DeviceKind.CPU:
        return EngineLimits(batched_tokens=2048 * world_size, sequences=128 * world_size)
    if device.memory_total_bytes >= _LARGE_CARD_BYTES and "a100" not in device.name.lower():
        return EngineLimits(batched_tokens=8192, sequences=1024)
    return EngineLimits(batched_tokens=2048, sequences=256)


def memory_use(
    spec: ModelSpec, shard: Shard, device: Device, dtype: DType, workload: Serve, *, world_size: int
) -> MemoryUse:
    """What the device holds; `kv_cache_bytes` is negative by the bytes that are missing."""
    limits = engine_limits(device, world_size)
    weights_bytes = weights.stage_weight_bytes(
        spec,
        layers=shard.layers,
        first=shard.first,
        last=shard.last,
        tensor_parallel=shard.tensor_parallel,
        dtype=dtype,
    )
    activations = _activation_bytes(spec, shard, limits)
    overhead = _overhead_bytes(device, world_size)
    capacity = capacity_bytes(device, workload.memory_utilization)
    kv_cache = capacity - weights_bytes - activations - overhead
    if device.kind is DeviceKind.CPU:
        wanted = _CPU_KV_HEADROOM * required_kv_bytes(spec, shard, dtype, workload)
        kv_cache = min(kv_cache, max(_CPU_KV_FLOOR_BYTES, math.ceil(wanted)))
    return MemoryUse(
        device=device.id,
        weights_bytes=weights_bytes,
        kv_cache_bytes=kv_cache,
        activations_bytes=activations,
        overhead_bytes=overhead,
        capacity_bytes=capacity,
    )


def capacity_bytes(device: Device, memory_utilization: float) -> int:
    """What the engine may take: its share of the whole memory, but no more than is free."""
    return min(int(device.memory_total_bytes * memory_utilization), device.memory_free_bytes)


def required_kv_bytes(spec: ModelSpec, shard: Shard, dtype: DType, workload: Serve) -> int:
    """Cache for all concurrent requests at their full length, in whole blocks."""
    blocks = math.ceil(workload.context_tokens / _BLOCK_TOKENS)
    per_token = kv_bytes_per_token(spec, shard, dtype)
    return workload.concurrent_requests * blocks * _BLOCK_TOKENS * per_token


def minimum_kv_bytes(spec: ModelSpec, shard: Shard, dtype: DType, workload: Serve) -> int:
    """Cache for one request at its full length: with less, vLLM refuses to start."""
    return workload.context_tokens * kv_bytes_per_token(spec, shard, dtype)


def _activation_bytes(spec: ModelSpec, shard: Shard, limits: EngineLimits) -> int:
    """Peak of vLLM's profiling run: 2 x tokens x hidden x width, and the sampler's fp32 logits on the last stage."""
    sizes = [size for size in priors.ACTIVATION_WIDTHS if size <= shard.tensor_parallel]
    width = priors.ACTIVATION_WIDTHS[max(sizes)]
    if spec.experts is not None:
        width *= priors.MOE_ACTIVATION_FACTOR
    layers = max(
        priors.ACTIVATION_FLOOR_BYTES, int(2 * limits.batched_tokens * spec.hidden_size * width)
    )
    logits = priors.LOGIT_COPIES * limits.sequences * spec.vocab_size * 4 if shard.last else 0
    return layers + logits


def _overhead_bytes(device: Device, world_size: int) -> int:
    if device.kind is DeviceKind.CPU:
        return priors.CPU_PROCESS_BYTES
    collective = 0
    if world_size > 1:
        collective = priors.NCCL_BYTES if world_size < 4 else priors.NCCL_LARGE_BYTES  # noqa: PLR2004
    return priors.CUDA_CONTEXT_BYTES + priors.CUDA_GRAPH_BYTES + collective
