"""What an estimate takes for granted, in the words that stand under a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homecluster.domain.hardware import Device, DeviceKind, Provenance
from homecluster.domain.units import format_bytes
from homecluster.domain.workload import Serve
from homecluster.planner.step import Copy

_SPEEDS = (
    ("memory_bandwidth_bytes_per_s", "memory bandwidth"),
    ("peak_flop_per_s", "arithmetic"),
    ("step_overhead_s", "host overhead"),
)


def assumptions(copies: Sequence[Copy], workload: Serve) -> tuple[str, ...]:
    """The number format, what was not measured on a device, and how requests come; of alike devices once."""
    devices = {device.name: device for copy in copies for device in copy.devices}
    notes = [f"{copies[0].dtype.value} arithmetic"]
    for device in devices.values():
        notes += _of(device, workload)
    if workload.request_rate_per_s is not None:
        notes.append("requests arrive at random at the given rate")
    return tuple(notes)


def _of(device: Device, workload: Serve) -> Iterator[str]:
    weak = [label for field, label in _SPEEDS if not _is_measured(device, field)]
    if weak:
        yield f"{device.name}: {', '.join(weak)} not measured"
    if device.calibrated_at:
        yield f"{device.name}: fitted to runs of its own on {device.calibrated_at[:10]}"
    wanted = int(device.memory_total_bytes * workload.memory_utilization)
    if device.kind is DeviceKind.CUDA and wanted > device.memory_free_bytes:
        taken = format_bytes(device.memory_total_bytes - device.memory_free_bytes)
        yield f"{device.name}: {taken} already in use, so less than the asked share is planned"


def _is_measured(device: Device, field: str) -> bool:
    return device.provenance_of(field) in (Provenance.MEASURED, Provenance.CALIBRATED)
