"""A control group for one job: the kernel's own list of its processes, ended by one write."""

from __future__ import annotations

import time
from pathlib import Path

from homecluster.launch.shared_memory import files_held_by, remove_left

_MOUNTINFO = Path("/proc/self/mountinfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_PAUSE_S = 0.02


def make_group(name: str) -> Path | None:
    """A new, empty version 2 group below our own, or None where we may not or the kernel is old.

    Needs `cgroup.kill` (Linux 5.14) and a delegated tree; without it the supervisor relies on
    adopting orphans alone.
    """
    parent = _own_group()
    if parent is None:
        return None
    group = parent / name
    try:
        group.mkdir()
    except OSError:
        return None
    if not (group / "cgroup.kill").exists():
        remove_group(group)
        return None
    return group


def enter_group(group: Path) -> bool:
    """Whether this process, and so all that it starts, now belongs to `group`."""
    try:
        (group / "cgroup.procs").write_text("0")
    except OSError:
        return False
    return True


def members(group: Path) -> tuple[int, ...]:
    """Process ids in the group; empty when the group is gone."""
    try:
        return tuple(map(int, (group / "cgroup.procs").read_text().split()))
    except OSError:
        return ()


def kill_group(group: Path, within_s: float) -> bool:
    """Whether the group is empty after SIGKILL to all of it; the kernel leaves no gap for forks."""
    deadline = time.monotonic() + within_s
    held = files_held_by(members(group))
    try:
        (group / "cgroup.kill").write_text("1")
    except OSError:
        return not members(group)
    while members(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    remove_left(held)
    return True


def remove_group(group: Path) -> None:
    """Remove an empty group; one that is gone or still populated stays as it is."""
    try:
        group.rmdir()
    except OSError:
        return


def _own_group() -> Path | None:
    mount = _version_2_mount()
    if mount is None:
        return None
    root, place = mount
    own = next(
        (line[3:] for line in _OWN_GROUPS.read_text().splitlines() if line.startswith("0::")), None
    )
    if own is None or not own.startswith(root):
        return None
    return place / own.removeprefix(root).lstrip("/")


def _version_2_mount() -> tuple[str, Path] | None:
    """(path inside the hierarchy, where it is mounted), as proc(5) orders mountinfo."""
    for line in _MOUNTINFO.read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            _, _, _, root, place, *_ = before.split()
            return root, Path(place)
    return None
