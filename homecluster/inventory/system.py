"""What kind of PC this is: operating system, name, cores, memory, addresses."""

from __future__ import annotations

import math
import os
import platform
import socket
import sys
from dataclasses import dataclass

import psutil

from homecluster.domain.hardware import ANY_CPU
from homecluster.inventory.addresses import home_addresses, read_interfaces
from homecluster.inventory.cgroup_limits import CgroupLimits, read_limits
from homecluster.inventory.host_files import ReadText, read_host_text
from homecluster.inventory.processor import Processor, one_cpu_per_core, read_processor


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFacts:
    """What the operating system says of this PC, as far as this process may use it."""

    hostname: str
    os: str
    """linux, wsl2, macos or windows."""
    processor: Processor
    cpu_cores: int
    """Logical CPUs that this process may use, a container's CPU quota taken into account."""
    engine_cores: tuple[int, ...]
    """One logical CPU for each physical core that this process may use: what the engine binds to, unless `ANY_CPU`."""
    ram_total_bytes: int
    """A container's limit where it is lower."""
    ram_available_bytes: int
    addresses: tuple[str, ...]


def read_system(read: ReadText = read_host_text) -> SystemFacts:
    """This PC as this process sees it."""
    allowed = _allowed_cpus()
    limits = read_limits(read)
    memory = psutil.virtual_memory()
    total, available = bounded_memory(memory.total, memory.available, limits)
    cores = bounded_cores(one_cpu_per_core(allowed, read), limits)
    return SystemFacts(
        hostname=socket.gethostname(),
        os=operating_system(sys.platform, read("/proc/sys/kernel/osrelease") or ""),
        processor=read_processor(read, platform.processor() or platform.machine()),
        cpu_cores=len(bounded_cores(allowed, limits)),
        engine_cores=cores,
        ram_total_bytes=total,
        ram_available_bytes=available,
        addresses=home_addresses(read_interfaces()),
    )


def operating_system(python_platform: str, kernel_release: str) -> str:
    """linux, wsl2, macos or windows; WSL1 has no kernel of its own and counts as linux."""
    if python_platform == "darwin":
        return "macos"
    if python_platform in ("win32", "cygwin"):
        return "windows"
    release = kernel_release.lower()
    is_wsl2 = "microsoft" in release and not release.startswith("4.4.")
    return "wsl2" if is_wsl2 else "linux"


def bounded_cores(cpus: tuple[int, ...], limits: CgroupLimits) -> tuple[int, ...]:
    """As many cores as a CPU quota keeps busy; a quota of 1.5 cores keeps one.

    A quota is time on any of `cpus`: two containers that each took the first would share it.
    """
    busy = len(cpus) if limits.cpu_cores is None else max(1, math.floor(limits.cpu_cores))
    return cpus if busy >= len(cpus) else (ANY_CPU,) * busy


def bounded_memory(total: int, available: int, limits: CgroupLimits) -> tuple[int, int]:
    """(total, available) bytes with a container's limit."""
    if limits.memory_bytes is None or limits.memory_available_bytes is None:
        return total, available
    total = min(total, limits.memory_bytes)
    return total, min(available, limits.memory_available_bytes, total)


def _allowed_cpus() -> tuple[int, ...]:
    try:
        return tuple(sorted(os.sched_getaffinity(0)))
    except AttributeError:  # macOS and Windows
        return tuple(range(os.cpu_count() or 1))
