"""Operating system, cores and memory, as this process may use them."""

from __future__ import annotations

import os

import psutil
import pytest

from homecluster.domain.hardware import ANY_CPU
from homecluster.inventory.addresses import InterfaceAddress, home_addresses
from homecluster.inventory.cgroup_limits import CgroupLimits, read_limits
from homecluster.inventory.processor import one_cpu_per_core, read_processor
from homecluster.inventory.system import (
    bounded_cores,
    bounded_memory,
    operating_system,
    read_system,
)

GIB = 1024**3
FREE = CgroupLimits(cpu_cores=None, memory_bytes=None, memory_available_bytes=None)


def no_file(_: str) -> None:
    """A PC of which nothing can be read."""


@pytest.mark.parametrize(
    ("platform", "release", "name"),
    [
        ("linux", "6.8.0-48-generic", "linux"),
        ("linux", "5.15.167.4-microsoft-standard-WSL2", "wsl2"),
        ("linux", "6.6.87.2-microsoft-standard-WSL2+", "wsl2"),
        ("linux", "4.4.0-19041-Microsoft", "linux"),
        ("darwin", "24.1.0", "macos"),
        ("win32", "", "windows"),
    ],
)
def test_the_operating_system_is_told_by_platform_and_kernel(
    platform: str, release: str, name: str
) -> None:
    assert operating_system(platform, release) == name


def test_this_pc_is_read_without_invention() -> None:
    system = read_system()
    assert system.os in ("linux", "wsl2", "macos", "windows")
    assert 1 <= len(system.engine_cores) <= system.cpu_cores <= (os.cpu_count() or 1)
    assert 0 < system.ram_available_bytes <= system.ram_total_bytes <= psutil.virtual_memory().total
    assert system.processor.name
    assert "127.0.0.1" not in system.addresses


def test_a_version_2_group_limits_cpu_and_memory_by_its_tightest_ancestor() -> None:
    files = {
        "/proc/self/cgroup": "0::/user.slice/app.service\n",
        "/sys/fs/cgroup/user.slice/app.service/cpu.max": "max 100000",
        "/sys/fs/cgroup/user.slice/cpu.max": "150000 100000",
        "/sys/fs/cgroup/user.slice/app.service/memory.max": str(8 * GIB),
        "/sys/fs/cgroup/user.slice/app.service/memory.current": str(5 * GIB),
        "/sys/fs/cgroup/user.slice/app.service/memory.stat": f"anon 1\ninactive_file {GIB}\n",
        "/sys/fs/cgroup/user.slice/memory.max": "max",
    }
    assert read_limits(files.get) == CgroupLimits(
        cpu_cores=1.5, memory_bytes=8 * GIB, memory_available_bytes=4 * GIB
    )


def test_a_container_that_sees_the_hosts_path_finds_its_limits_at_the_mount() -> None:
    files = {
        "/proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": str(4 * GIB),
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
    }
    assert read_limits(files.get) == CgroupLimits(
        cpu_cores=2.0, memory_bytes=4 * GIB, memory_available_bytes=3 * GIB
    )


def test_no_limit_in_either_version_is_no_limit() -> None:
    files = {
        "/proc/self/cgroup": "4:memory:/a\n1:cpu:/\n0::/\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        "/sys/fs/cgroup/cpu.max": "max 100000",
        "/sys/fs/cgroup/memory.max": "max",
    }
    assert read_limits(files.get) == FREE
    assert read_limits(no_file) == FREE
    assert read_limits({"/proc/self/cgroup": "nonsense\n0::"}.get) == FREE


def test_a_quota_keeps_as_many_cores_as_it_can_fill_and_at_least_one() -> None:
    half = CgroupLimits(cpu_cores=0.5, memory_bytes=None, memory_available_bytes=None)
    two = CgroupLimits(cpu_cores=2.9, memory_bytes=None, memory_available_bytes=None)
    assert bounded_cores((0, 1, 2, 3), FREE) == (0, 1, 2, 3)
    assert len(bounded_cores((0, 1, 2, 3), two)) == 2
    assert len(bounded_cores((0, 1, 2, 3), half)) == 1


def test_a_quota_names_no_particular_cpu_so_that_two_containers_do_not_share_the_first() -> None:
    """A list of CPUs that is no longer than the quota allows is this container's own."""
    two = CgroupLimits(cpu_cores=2.0, memory_bytes=None, memory_available_bytes=None)
    assert bounded_cores((0, 1, 2, 3), two) == (ANY_CPU, ANY_CPU)
    assert bounded_cores((2, 3), two) == (2, 3)


def test_available_memory_never_exceeds_the_limit_or_the_total() -> None:
    tight = CgroupLimits(cpu_cores=None, memory_bytes=GIB, memory_available_bytes=GIB // 2)
    assert bounded_memory(8 * GIB, 6 * GIB, FREE) == (8 * GIB, 6 * GIB)
    assert bounded_memory(8 * GIB, 6 * GIB, tight) == (GIB, GIB // 2)


def test_hyper_threads_of_one_core_count_once() -> None:
    siblings = {"0": "0,4", "1": "1,5", "4": "0,4", "5": "1,5"}
    files = {
        f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": text
        for cpu, text in siblings.items()
    }
    assert one_cpu_per_core((0, 1, 4, 5), files.get) == (4, 5)
    assert one_cpu_per_core((0, 1), files.get) == (0, 1)
    assert one_cpu_per_core((2, 3), no_file) == (2, 3)  # no topology: every CPU is a core


def test_the_processors_name_features_and_cache_are_the_kernels() -> None:
    files = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 7 5800X 8-Core Processor\nflags\t\t: fma avx2\n",
        "/sys/devices/system/cpu/cpu0/cache/index3/size": "32768K",
    }
    processor = read_processor(files.get, "x86_64")
    assert processor.name == "AMD Ryzen 7 5800X 8-Core Processor"
    assert processor.features == {"fma", "avx2"}
    assert processor.last_level_cache_bytes == 32 * 1024**2


def test_elsewhere_the_processor_has_its_fallback_name() -> None:
    processor = read_processor(no_file, "Apple M3")
    assert (processor.name, processor.features, processor.last_level_cache_bytes) == ("Apple M3", frozenset(), None)  # fmt: skip


def test_only_addresses_of_the_home_network_are_kept() -> None:
    found = [
        ("lo", "127.0.0.1", True),
        ("eth0", "192.168.1.20", True),
        ("eth0", "fe80::1%eth0", True),
        ("eth0", "fd00::20", True),
        ("wlan0", "192.168.1.3", True),
        ("wlan1", "192.168.1.4", False),
        ("docker0", "172.17.0.1", True),
        ("br-1a2b3c", "172.18.0.1", True),
        ("tailscale0", "100.64.0.7", True),
        ("wg0", "10.8.0.2", True),
        ("enp3s0", "169.254.7.7", True),
        ("loopback0", "192.168.1.20", True),
    ]
    entries = [InterfaceAddress(interface=i, address=a, is_up=up) for i, a, up in found]
    assert home_addresses(entries) == ("192.168.1.3", "192.168.1.20", "fd00::20")
