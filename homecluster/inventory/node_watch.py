"""Two looks at this PC a few seconds apart -> NodeSigns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from homecluster.domain.hardware import WslMode
from homecluster.domain.ids import NodeId
from homecluster.domain.signs import InterfaceSigns, NodeSigns, StaleProcess
from homecluster.inventory.counters import HostCounters, read_counters
from homecluster.inventory.gpu_watch import watch_gpus
from homecluster.inventory.own_name import own_name_address
from homecluster.inventory.power import read_power
from homecluster.inventory.system import read_system

_SCHEDULER = "EngineCore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The counters of this PC and of the job's processes."""

    host: HostCounters
    job_cpu_s: tuple[tuple[int, str, float], ...]
    """(pid, name, processor time) of each process of the job."""


def look(job: Iterable[psutil.Process]) -> Look:
    """Now; processes that end meanwhile are left out."""
    found = []
    for process in job:
        try:
            times = process.cpu_times()
            found.append((process.pid, process.name(), float(times.user + times.system)))
        except psutil.Error:
            continue
    return Look(host=read_counters(), job_cpu_s=tuple(found))


def node_signs(
    node: NodeId,
    first: Look,
    second: Look,
    *,
    interfaces: tuple[InterfaceSigns, ...] = (),
    stale: tuple[StaleProcess, ...] = (),
    wsl_mode: WslMode | None = None,
    windows_ram_bytes: int | None = None,
) -> NodeSigns:
    """What happened on this PC between the looks, and how it is now."""
    system = read_system()
    power = read_power(tuple(range(psutil.cpu_count() or 1)))
    name, address = own_name_address()
    rates = between(first, second)
    return NodeSigns(
        node=node,
        os=system.os,
        cores=psutil.cpu_count(),  # of the whole PC, as `other_busy_cores` is
        job_busy_cores=rates.job_busy_cores,
        other_busy_cores=rates.other_busy_cores,
        cpu_stall_ratio=rates.stall("cpu"),
        memory_stall_ratio=rates.stall("memory"),
        io_stall_ratio=rates.stall("io"),
        quota_throttled_ratio=rates.quota_throttled_ratio,
        swapped_bytes_per_s=rates.swapped_bytes_per_s,
        disk_read_bytes_per_s=rates.disk_read_bytes_per_s,
        throttled_by=("heat",) if rates.heat_events else (),
        clock_hz=power.clock_hz,
        clock_max_hz=power.clock_max_hz,
        on_battery=power.on_battery,
        power_profile=power.profile,
        temperature_c=_temperature_c(),
        ram_total_bytes=system.ram_total_bytes,
        ram_available_bytes=system.ram_available_bytes,
        windows_ram_bytes=windows_ram_bytes,
        host_name=name,
        host_name_address=address,
        interfaces=interfaces,
        wsl_mode=wsl_mode,
        stale=stale,
        gpus=watch_gpus({pid for pid, _, _ in second.job_cpu_s}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Growth of the counters per second; None where one of the looks does not count it."""

    job_busy_cores: float
    other_busy_cores: float
    scheduler_busy_ratio: float | None
    stalls: tuple[tuple[str, float], ...]
    swapped_bytes_per_s: float | None
    disk_read_bytes_per_s: float | None
    heat_events: int
    quota_throttled_ratio: float | None
    retransmit_ratio: float | None

    def stall(self, what: str) -> float | None:
        return dict(self.stalls).get(what)


def between(first: Look, second: Look) -> Rates:
    """Pure: what the two looks differ in, per second."""
    a, b = first.host, second.host
    seconds = max(1e-3, b.at_s - a.at_s)
    began = {pid: cpu_s for pid, _, cpu_s in first.job_cpu_s}
    grown = {
        name: max(0.0, cpu_s - began[pid]) / seconds
        for pid, name, cpu_s in second.job_cpu_s
        if pid in began
    }
    job = sum(
        max(0.0, cpu_s - began[pid]) / seconds for pid, _, cpu_s in second.job_cpu_s if pid in began
    )
    stalls = (
        (what, _rate(a.stall_s(what), b.stall_s(what), seconds)) for what in ("cpu", "memory", "io")
    )
    sent = _rate(a.segments_sent, b.segments_sent, 1)
    again = _rate(a.segments_sent_again, b.segments_sent_again, 1)
    return Rates(
        job_busy_cores=job,
        other_busy_cores=max(0.0, (b.busy_cpu_s - a.busy_cpu_s) / seconds - job),
        scheduler_busy_ratio=max(
            (busy for name, busy in grown.items() if _SCHEDULER in name), default=None
        ),
        stalls=tuple((what, min(1.0, share)) for what, share in stalls if share is not None),
        swapped_bytes_per_s=_rate(a.swapped_bytes, b.swapped_bytes, seconds),
        disk_read_bytes_per_s=_rate(a.disk_read_bytes, b.disk_read_bytes, seconds),
        heat_events=int(_rate(a.heat_events, b.heat_events, 1) or 0),
        quota_throttled_ratio=_rate(a.quota_throttled_s, b.quota_throttled_s, seconds),
        retransmit_ratio=again / sent if again is not None and sent else None,
    )


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    if before is None or after is None or after < before:
        return None
    return (after - before) / seconds


def _temperature_c() -> float | None:
    try:
        sensors = psutil.sensors_temperatures()
    except (AttributeError, OSError):
        return None
    found = [
        entry.current
        for name in ("coretemp", "k10temp", "cpu_thermal")
        for entry in sensors.get(name, ())
    ]
    return max(found, default=None)
