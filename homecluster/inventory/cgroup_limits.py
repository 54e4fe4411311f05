"""How much CPU and memory a container or service manager leaves to this process; pure but for the reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from homecluster.inventory.host_files import ReadText, whole_number

_ROOT = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """None: no limit."""

    cpu_cores: float | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    """Limit less what is used, page cache that can be dropped not counted as used."""


def read_limits(read: ReadText) -> CgroupLimits:
    """The tightest limit of this process' groups and all their ancestors, cgroup v2 or v1."""
    groups = _groups(read("/proc/self/cgroup") or "")
    cores: list[float] = []
    memory: list[tuple[int, int]] = []
    for folder in _folders(groups, "cpu"):
        quota = _cpu_v2(read(f"{folder}/cpu.max"))
        if quota is None:
            quota = _cpu_v1(read(f"{folder}/cpu.cfs_quota_us"), read(f"{folder}/cpu.cfs_period_us"))
        if quota is not None:
            cores.append(quota)
    for folder in _folders(groups, "memory"):
        limit = whole_number(read(f"{folder}/memory.max")) or whole_number(
            read(f"{folder}/memory.limit_in_bytes")
        )
        if limit is not None and limit < _UNLIMITED_BYTES:
            memory.append((limit, limit - _used(read, folder)))
    return CgroupLimits(
        cpu_cores=min(cores, default=None),
        memory_bytes=min((limit for limit, _ in memory), default=None),
        memory_available_bytes=max(0, min(left for _, left in memory)) if memory else None,
    )


_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes `no limit` as the largest multiple of a page below 2**63."""


def _groups(text: str) -> dict[str, str]:
    """Controller -> path; the empty name is cgroup v2."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:  # noqa: PLR2004 - id:controllers:path
            groups |= dict.fromkeys(parts[1].split(","), parts[2])
    return groups


def _folders(groups: dict[str, str], controller: str) -> list[str]:
    """Where the controller's files may be, from the process' own group up to the mount.

    In a container the path is the host's and does not exist below the mount; the mount itself then is
    the container's own group.
    """
    folders = []
    for root, path in ((f"{_ROOT}/{controller}", groups.get(controller)), (_ROOT, groups.get(""))):
        if path is not None:
            inside = PurePosixPath(path)
            folders += [f"{root}{parent}".rstrip("/") for parent in (inside, *inside.parents)]
    return folders


def _cpu_v2(text: str | None) -> float | None:
    quota, _, period = (text or "").partition(" ")
    return _share(whole_number(quota), whole_number(period))


def _cpu_v1(quota: str | None, period: str | None) -> float | None:
    return _share(whole_number(quota), whole_number(period))


def _share(quota: int | None, period: int | None) -> float | None:
    return quota / period if quota is not None and quota > 0 and period else None


def _used(read: ReadText, folder: str) -> int:
    used = whole_number(read(f"{folder}/memory.current")) or whole_number(
        read(f"{folder}/memory.usage_in_bytes")
    )
    cache = 0
    for line in (read(f"{folder}/memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            cache = max(cache, whole_number(value) or 0)
    return max(0, (used or 0) - cache)
