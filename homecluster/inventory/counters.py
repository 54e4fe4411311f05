"""The kernel's counters that tell, between two looks, what this PC's programs waited for."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import psutil

from homecluster.inventory.host_files import ReadText, read_host_text, whole_number

_MICROSECONDS = 1e6
_PRESSURE = ("cpu", "memory", "io")
_MOST_CPUS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCounters:
    """One look; None where this system does not count that."""

    at_s: float
    """On the monotonic clock."""
    busy_cpu_s: float
    """Processor time of everything on this PC but programs that give way (nice)."""
    swapped_bytes: float | None = None
    """In and out together."""
    disk_read_bytes: float | None = None
    stalls_s: tuple[tuple[str, float], ...] = ()
    """(cpu, memory or io; time in which something waited for it), of the kernel's pressure files."""
    heat_events: int | None = None
    """Thermal throttling of the processor."""
    quota_throttled_s: float | None = None
    segments_sent: int | None = None
    segments_sent_again: int | None = None

    def stall_s(self, what: str) -> float | None:
        return dict(self.stalls_s).get(what)


def read_counters(read: ReadText = read_host_text) -> HostCounters:
    """The counters now; costs about a millisecond."""
    times = psutil.cpu_times()
    sent, again = parse_segments(read("/proc/net/snmp") or "")
    stalls = ((what, parse_stall_s(read(f"/proc/pressure/{what}") or "")) for what in _PRESSURE)
    disk = _disk_read_bytes()
    return HostCounters(
        at_s=time.monotonic(),
        # Guest time is part of user time already, and waiting is not work.
        busy_cpu_s=float(times.user + times.system),
        swapped_bytes=parse_swapped_bytes(read("/proc/vmstat") or ""),
        disk_read_bytes=disk,
        stalls_s=tuple((what, stall_s) for what, stall_s in stalls if stall_s is not None),
        heat_events=_heat_events(read),
        quota_throttled_s=_quota_throttled_s(read),
        segments_sent=sent,
        segments_sent_again=again,
    )


def parse_stall_s(text: str) -> float | None:
    """Seconds of the `some` line of a pressure file: `some avg10=0.00 … total=123` in microseconds."""
    match = re.search(r"^some\b.*\btotal=(\d+)", text, re.MULTILINE)
    return int(match[1]) / _MICROSECONDS if match else None


def parse_segments(text: str) -> tuple[int | None, int | None]:
    """(segments sent, segments sent again) of /proc/net/snmp's two `Tcp:` lines."""
    rows = [line.split() for line in text.splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):  # noqa: PLR2004 - names and values
        return None, None
    table = dict(zip(rows[0], rows[1], strict=True))
    return whole_number(table.get("OutSegs")), whole_number(table.get("RetransSegs"))


def parse_swapped_bytes(text: str, page_bytes: int = 4096) -> float | None:
    """Bytes of pages that went out to swap and came back, of /proc/vmstat."""
    pages = re.findall(r"^pswp(?:in|out) (\d+)$", text, re.MULTILINE)
    return float(sum(map(int, pages)) * page_bytes) if pages else None


def parse_throttled_s(text: str) -> float | None:
    """Seconds of `throttled_usec` in a control group's cpu.stat (v1 counts `throttled_time` in ns)."""
    match = re.search(r"^throttled_usec (\d+)$", text, re.MULTILINE)
    if match:
        return int(match[1]) / _MICROSECONDS
    older = re.search(r"^throttled_time (\d+)$", text, re.MULTILINE)
    return int(older[1]) / 1e9 if older else None


def _heat_events(read: ReadText) -> int | None:
    folder = "/sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    counts = []
    for index in range(min(_MOST_CPUS, psutil.cpu_count() or 1)):
        count = whole_number(read(folder.format(index)))
        if count is None:
            break
        counts.append(count)
    return sum(counts) if counts else None


def _quota_throttled_s(read: ReadText) -> float | None:
    """The most that any control group of this process was held back."""
    found = []
    for line in (read("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        root = "/sys/fs/cgroup/cpu" if "cpu" in controllers.split(",") else "/sys/fs/cgroup"
        text = read(f"{root}{path.rstrip('/')}/cpu.stat")
        held_s = parse_throttled_s(text) if text else None
        if held_s is not None:
            found.append(held_s)
    return max(found, default=None)


def _disk_read_bytes() -> float | None:
    try:
        counted = psutil.disk_io_counters()
    except (RuntimeError, OSError, NotImplementedError):
        return None
    return float(counted.read_bytes) if counted else None
