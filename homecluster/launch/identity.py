"""Which process a recorded number means: a pid alone may be someone else's by now."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_STARTTIME_FIELD = 19
"""Of /proc/PID/stat behind the closing bracket of the name (field 22 of proc(5), counted from 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """Unique over reboots and reused pids."""

    boot_id: str
    pid: int
    start_ticks: int


def identity_of(pid: int) -> ProcessIdentity | None:
    """None when no such process lives; a zombie is no longer living."""
    start = _start_ticks(pid)
    if start is None:
        return None
    return ProcessIdentity(boot_id=boot_id(), pid=pid, start_ticks=start)


def boot_id() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def is_alive(identity: ProcessIdentity) -> bool:
    return identity_of(identity.pid) == identity


def send_signal(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Whether the very process got the signal; never one that took its number since."""
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(identity):  # checked after opening: the handle keeps meaning this process
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _start_ticks(pid: int) -> int | None:
    try:
        after_name = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    is_dead = after_name[0] in {"Z", "X"}
    return None if is_dead else int(after_name[_STARTTIME_FIELD])
