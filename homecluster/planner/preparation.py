"""Whether a copy may run: the engine's rules, the links, and the memory of its devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.estimate import MemoryUse
from homecluster.domain.hardware import Device
from homecluster.domain.model import ModelSpec
from homecluster.domain.units import format_bytes
from homecluster.domain.workload import Serve
from homecluster.planner import rules
from homecluster.planner.compute import kv_bytes_per_token
from homecluster.planner.memory import memory_use, minimum_kv_bytes
from homecluster.planner.network import Fabric
from homecluster.planner.rules import Refusal
from homecluster.planner.step import Copy, Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A copy that may run: its devices' memory and the tokens its KV cache holds."""

    copy: Copy
    memory: tuple[MemoryUse, ...]
    kv_cache_tokens: int


def refuse(spec: ModelSpec, ranks: Sequence[Rank], fabric: Fabric) -> Refusal | None:
    """The first rule that these stages break, whatever their memory."""
    size = ranks[0].shard.tensor_parallel
    devices = [device for rank in ranks for device in rank.devices]
    if any(rank.shard.tensor_parallel != size for rank in ranks):
        return Refusal(
            rule="uniform-tensor-parallel",
            detail="vLLM runs the same tensor parallel size in every stage",
        )
    if len({device.kind for device in devices}) > 1:
        return Refusal(rule="mixed-kind", detail="one copy may not mix GPUs and CPUs")
    checks = (
        rules.refuse_tensor_parallel(spec, size),
        rules.refuse_pipeline_parallel(spec, len(ranks)),
        *(rules.refuse_group(rank.devices) for rank in ranks),
        *(rules.refuse_device(spec, device) for device in devices),
        _refuse_links(fabric, devices),
    )
    return next((check for check in checks if check is not None), None)


def _refuse_links(fabric: Fabric, devices: Sequence[Device]) -> Refusal | None:
    if fabric.knows([device.node_id for device in devices]):
        return None
    return Refusal(
        rule="link-unknown",
        detail="no measurement of the links between these PCs: run `homecluster probe` or add them to the document",
    )


def with_memory(copy: Copy, workload: Serve) -> Prepared | Refusal:
    """The copy with its memory shared out, if every device then holds one request at full length."""
    shards = [rank.shard for rank in copy.stages for _ in rank.devices]
    memory, tokens = [], []
    for shard, device in zip(shards, copy.devices, strict=True):
        use = memory_use(copy.spec, shard, device, copy.dtype, workload, world_size=len(shards))
        needed = minimum_kv_bytes(copy.spec, shard, copy.dtype, workload)
        if use.kv_cache_bytes < needed:
            return _too_small(device, use, needed)
        memory.append(use)
        tokens.append(use.kv_cache_bytes // kv_bytes_per_token(copy.spec, shard, copy.dtype))
    return Prepared(copy=copy, memory=tuple(memory), kv_cache_tokens=min(tokens))


def _too_small(device: Device, use: MemoryUse, needed: int) -> Refusal:
    missing = needed - use.kv_cache_bytes
    return Refusal(
        rule="memory",
        detail=(
            f"{device.id} ({device.name}) lacks {format_bytes(missing)}: "
            f"{format_bytes(use.weights_bytes)} weights, "
            f"{format_bytes(use.activations_bytes + use.overhead_bytes)} activations and overhead and "
            f"{format_bytes(needed)} KV cache for one request, "
            f"of {format_bytes(use.capacity_bytes)} usable"
        ),
        shortfall_bytes=missing,
    )
