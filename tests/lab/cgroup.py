"""How much CPU a host may use, by cgroup v2 `cpu.max` or v1 `cpu.cfs_quota_us`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PERIOD_US: Final = 10_000
"""Short, so that a throttled host pauses for milliseconds and not for the usual tenth of a second."""
_LEAST_QUOTA_US: Final = 1000  # the kernel's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuController:
    """Where CPU shares are given on this machine."""

    root: Path
    version: int

    def make(self, name: str, cores: float) -> Path:
        """A new group `name` (may be "lab/host") that gets at most `cores` seconds per second."""
        group = self.root / name
        group.mkdir(parents=True, exist_ok=True)
        if self.version == 2:
            (group.parent / "cgroup.subtree_control").write_text("+cpu")
        self.limit(group, cores)
        return group

    def limit(self, group: Path, cores: float) -> None:
        """Change what an existing group gets."""
        quota_us = max(_LEAST_QUOTA_US, round(cores * PERIOD_US))
        if self.version == 2:
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))


def find_cpu_controller(mounts: str) -> CpuController | None:
    """The controller that a text as /proc/self/mounts offers; none where there is neither."""
    rows = [line.split() for line in mounts.splitlines()]
    for row in rows:
        if row[2] == "cgroup" and "cpu" in row[3].split(","):
            return CpuController(root=Path(row[1]), version=1)
    for row in rows:
        if row[2] == "cgroup2":
            root = Path(row[1])
            controllers = root / "cgroup.subtree_control"
            if controllers.exists() and "cpu" in controllers.read_text().split():
                return CpuController(root=root, version=2)
    return None


def remove_group(group: Path, *, patience_s: float = 2.0) -> None:
    """Remove a group and those in it; their processes must be ending."""
    deadline_s = time.monotonic() + patience_s
    while group.exists():
        try:
            for inner in (*(each for each in group.iterdir() if each.is_dir()), group):
                inner.rmdir()
        except OSError:
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.02)
