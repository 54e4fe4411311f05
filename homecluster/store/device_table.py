"""A device's table in the cluster document <-> Device: what is given beats the catalogue, which beats a guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.domain.hardware import Device, DeviceKind, DType, Provenance
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.units import (
    UnitError,
    parse_bandwidth,
    parse_bytes,
    parse_flops,
    parse_seconds,
)
from homecluster.planner import priors
from homecluster.store.config_fields import shown
from homecluster.store.device_catalogue import DeviceFacts, find_device, nearest_devices
from homecluster.store.fields import Fields, member, positive, text, whole_number

MAX_DEVICES: Final = 64

_FIELDS_WITH_PROVENANCE: Final = {
    "memory": "memory_total_bytes",
    "memory_bandwidth": "memory_bandwidth_bytes_per_s",
    "kv_cache_bandwidth": "kv_cache_bandwidth_bytes_per_s",
    "attention_flops": "attention_flop_per_s",
    "sampling_per_logit": "sampling_s_per_logit",
    "flops": "peak_flop_per_s",
    "step_overhead": "step_overhead_s",
    "layer_overhead": "layer_overhead_s",
    "sequence_overhead": "sequence_overhead_s",
    "server_start": "server_start_s",
    "worker_start": "worker_start_s",
    "engine_ready": "engine_ready_s",
}
"""Document key -> Device field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The PC that devices belong to."""

    node_id: NodeId
    ram_bytes: int
    cores: int


def read_devices(fields: Fields, owner: Owner, before: Sequence[Device]) -> list[Device]:
    """The `count` devices of one table; `before` are the PC's devices read so far."""
    fields.allow(
        "kind", "name", "count", "memory", "memory_free", "memory_bandwidth", "kv_cache_bandwidth", "flops",
        "attention_flops", "sampling_per_logit",
        "step_overhead", "layer_overhead", "sequence_overhead", "compute_capability", "provenance",
        "server_start", "worker_start", "engine_ready",
    )  # fmt: skip
    kind = fields.need("kind", member(DeviceKind))
    name = fields.get("name", text, "CPU" if kind is DeviceKind.CPU else "GPU")
    count = fields.get("count", whole_number, 1)
    if count > MAX_DEVICES:
        raise fields.error(
            "count", f"{shown(count)} devices; homecluster plans at most {MAX_DEVICES}"
        )
    if kind is DeviceKind.CPU and (count > 1 or any(device.kind is kind for device in before)):
        raise fields.error("kind", "the cpu of a PC is one device, whatever its sockets and cores")
    offset = sum(device.kind is kind for device in before)
    device = _device(fields, owner, kind, name)
    return [
        replace(device, id=DeviceId(f"{owner.node_id}/{kind.value}:{offset + index}"))
        for index in range(count)
    ]


def _device(fields: Fields, owner: Owner, kind: DeviceKind, name: str) -> Device:
    base = _base(fields, owner, kind, name)
    total = fields.get("memory", positive(parse_bytes), base.memory_total_bytes)
    free = fields.get("memory_free", parse_bytes, total)
    if free > total:
        raise fields.error("memory_free", "more memory is free than there is")
    flops = fields.child("flops")
    given = {key: Provenance.CATALOGUE for key in _FIELDS_WITH_PROVENANCE if key in fields.table}
    stated = fields.child("provenance")
    if stated is not None:
        stated.allow(*_FIELDS_WITH_PROVENANCE)
        given |= {key: stated.need(key, member(Provenance)) for key in stated.table}
    provenance = dict(base.provenance) | {_FIELDS_WITH_PROVENANCE[k]: v for k, v in given.items()}
    return Device(
        id=base.id,
        node_id=owner.node_id,
        kind=kind,
        name=name,
        memory_total_bytes=total,
        memory_free_bytes=free,
        memory_bandwidth_bytes_per_s=fields.get(
            "memory_bandwidth", positive(parse_bandwidth), base.memory_bandwidth_bytes_per_s
        ),
        peak_flop_per_s=_flops(flops) if flops else base.peak_flop_per_s,
        step_overhead_s=fields.get("step_overhead", parse_seconds, base.step_overhead_s),
        layer_overhead_s=fields.get("layer_overhead", parse_seconds, base.layer_overhead_s),
        sequence_overhead_s=fields.get(
            "sequence_overhead", parse_seconds, base.sequence_overhead_s
        ),
        kv_cache_bandwidth_bytes_per_s=fields.get(
            "kv_cache_bandwidth", positive(parse_bandwidth), None
        ),
        attention_flop_per_s=fields.get("attention_flops", positive(parse_flops), None),
        sampling_s_per_logit=fields.get("sampling_per_logit", positive(parse_seconds), None),
        server_start_s=fields.get("server_start", positive(parse_seconds), None),
        worker_start_s=fields.get("worker_start", positive(parse_seconds), None),
        engine_ready_s=fields.get("engine_ready", positive(parse_seconds), None),
        compute_capability=fields.get("compute_capability", _capability, base.compute_capability),
        provenance=tuple(sorted(provenance.items())),
    )


def _base(fields: Fields, owner: Owner, kind: DeviceKind, name: str) -> Device:
    """The device before what the document gives: from the catalogue, else assumed."""
    if kind is DeviceKind.CPU:
        return assumed_cpu(owner, name)
    memory = fields.get("memory", positive(parse_bytes), None)
    facts = find_device(name, memory) or find_device(name)
    if facts is not None:
        return catalogue_device(owner.node_id, name, facts)
    missing = [key for key in ("memory", "memory_bandwidth", "flops") if key not in fields.table]
    if missing:
        close = nearest_devices(name[:80])
        hint = f"did you mean {close[0]!r}? Or give" if close else "give"
        raise fields.error(
            "name",
            f"the catalogue does not know {shown(name)}: {hint} {', '.join(missing)} here",
        )
    return _device_with_priors(
        owner.node_id,
        kind,
        name,
        memory_bytes=memory or 1,
        bandwidth=1.0,
        flops=((DType.FP16, 1.0),),
        capability=None,
    )


def catalogue_device(node_id: NodeId, name: str, facts: DeviceFacts) -> Device:
    """A GPU as its data sheet has it, with assumed overheads."""
    return _device_with_priors(
        node_id,
        DeviceKind.CUDA,
        name,
        memory_bytes=facts.memory_bytes,
        bandwidth=facts.memory_bandwidth_bytes_per_s,
        flops=facts.flops,
        capability=facts.compute_capability,
        provenance=Provenance.CATALOGUE,
    )


def assumed_cpu(owner: Owner, name: str) -> Device:
    """A CPU that nobody measured: speeds by its cores (`planner.priors`)."""
    return _device_with_priors(
        owner.node_id,
        DeviceKind.CPU,
        name,
        memory_bytes=owner.ram_bytes,
        bandwidth=priors.cpu_bandwidth(owner.cores),
        flops=tuple(
            (dtype, priors.cpu_flops(owner.cores, dtype))
            for dtype in (DType.BF16, DType.FP16, DType.FP32)
        ),
        capability=None,
    )


def _device_with_priors(
    node_id: NodeId,
    kind: DeviceKind,
    name: str,
    *,
    memory_bytes: int,
    bandwidth: float,
    flops: tuple[tuple[DType, float], ...],
    capability: tuple[int, int] | None,
    provenance: Provenance = Provenance.ASSUMED,
) -> Device:
    stated = ("memory_total_bytes", "memory_bandwidth_bytes_per_s", "peak_flop_per_s")
    return Device(
        id=DeviceId(f"{node_id}/{kind.value}:0"),
        node_id=node_id,
        kind=kind,
        name=name,
        memory_total_bytes=memory_bytes,
        memory_free_bytes=memory_bytes,
        memory_bandwidth_bytes_per_s=bandwidth,
        peak_flop_per_s=flops,
        step_overhead_s=priors.STEP_OVERHEAD_S[kind],
        layer_overhead_s=priors.LAYER_OVERHEAD_S[kind],
        sequence_overhead_s=priors.sequence_overhead_s(kind, name),
        compute_capability=capability,
        provenance=tuple((field, provenance) for field in stated),
    )


def _flops(fields: Fields) -> tuple[tuple[DType, float], ...]:
    fields.allow(*DType)
    if not fields.table:
        raise fields.error("", "gives no number format")
    return tuple((DType(key), fields.need(key, positive(parse_flops))) for key in fields.table)


def _capability(value: object) -> tuple[int, int]:
    match = (
        re.fullmatch(r"(\d{1,2})\.(\d)", str(value), re.ASCII)
        if isinstance(value, str | float)
        else None
    )
    if match is None:
        raise UnitError(f"{shown(value)} is not a compute capability such as '8.9'")
    return int(match[1]), int(match[2])


def device_table(device: Device) -> dict[str, Any]:
    """A device as the document writes it; reading it back gives the same device."""
    return {
        "kind": device.kind.value,
        "name": device.name,
        "memory": f"{device.memory_total_bytes} B",
        "memory_free": f"{device.memory_free_bytes} B",
        "memory_bandwidth": f"{device.memory_bandwidth_bytes_per_s!r} B/s",
        **(
            {"kv_cache_bandwidth": f"{device.kv_cache_bandwidth_bytes_per_s!r} B/s"}
            if device.kv_cache_bandwidth_bytes_per_s
            else {}
        ),
        **(
            {"attention_flops": f"{device.attention_flop_per_s!r} FLOP/s"}
            if device.attention_flop_per_s
            else {}
        ),
        **(
            {"sampling_per_logit": f"{device.sampling_s_per_logit!r} s"}
            if device.sampling_s_per_logit
            else {}
        ),
        "flops": {dtype.value: f"{rate!r} FLOP/s" for dtype, rate in device.peak_flop_per_s},
        "step_overhead": f"{device.step_overhead_s!r} s",
        "layer_overhead": f"{device.layer_overhead_s!r} s",
        "sequence_overhead": f"{device.sequence_overhead_s!r} s",
        **{
            key: f"{seconds!r} s"
            for key in ("server_start", "worker_start", "engine_ready")
            if (seconds := getattr(device, _FIELDS_WITH_PROVENANCE[key])) is not None
        },
        **(
            {"compute_capability": ".".join(map(str, device.compute_capability))}
            if device.compute_capability
            else {}
        ),
        "provenance": {
            key: device.provenance_of(field).value
            for key, field in _FIELDS_WITH_PROVENANCE.items()
            if getattr(device, field) is not None
        },
    }
