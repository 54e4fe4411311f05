"""The Linux calls that Python 3.11 lacks: unshare, setns, mount, and dying with one's parent."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
HOST_NAMESPACES: Final = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_TIMERSLACK: Final = 29

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process new namespaces (a new PID namespace only to its next children)."""
    _check(_libc.unshare(flags), "unshare")


def setns(handle: int, flags: int = 0) -> None:
    """Enter the namespace behind an open /proc/PID/ns file."""
    _check(_libc.setns(handle, flags), "setns")


def enter(pid: int) -> None:
    """Enter all namespaces of a host; only children are in its PID namespace."""
    handles = [
        os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        for name in ("pid", "ipc", "uts", "net", "mnt")  # mnt last: it takes this /proc away
    ]
    for handle in handles:
        setns(handle)
        os.close(handle)


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Be in a host's network, and come back. Not for a process with threads."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(other)
        yield
    finally:
        setns(own)
        os.close(own)
        os.close(other)


def make_mounts_private() -> None:
    """From now on no mount of this namespace is seen outside, nor the other way round."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)


def mount_new(kind: str, target: str, options: str = "") -> None:
    """Mount a fresh tmpfs, proc or sysfs."""
    _mount(kind, target, kind, 0, options)


def bind(source: str, target: str) -> None:
    """Let `target` show `source`, with all that is mounted below it."""
    _mount(source, target, None, _MS_BIND | _MS_REC)


def die_with_parent() -> None:
    """Get SIGKILL when the thread that forked this process ends. Kept over execve."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")


def sleep_precisely() -> None:
    """Let timeouts end within about a microsecond of their time, not 50."""
    _check(_libc.prctl(_PR_SET_TIMERSLACK, 1000, 0, 0, 0), "prctl")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            options.encode() or None,
        ),
        f"mount {kind or source} on {target}",
    )


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
