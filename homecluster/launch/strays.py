"""Finding and ending every process of a job, whatever session, group or parent it gave itself."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from homecluster.launch.shared_memory import files_held_by, remove_left

JOB_VARIABLE = "HOMECLUSTER_JOB"
"""In the environment of every process of a job, so that strays are found after their supervisor died."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAUSE_S = 0.02
_TRACKER = "multiprocessing.resource_tracker"
CLEANERS_S = 2.0
"""What those get that only clean up after others."""


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies (subreaper)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: signal.Signals) -> None:
    """This process gets `number` when its parent ends; call it in the child before exec."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def descendants() -> list[psutil.Process]:
    """Living descendants of this process; complete when it adopts orphans."""
    return [child for child in psutil.Process().children(recursive=True) if _lives(child)]


def kill_descendants(within_s: float) -> list[psutil.Process]:
    """Those that still live after `within_s` of SIGKILL rounds; normally none.

    Rounds, because a process may fork between being listed and being killed.
    """
    return _kill_rounds(descendants, within_s)


def tagged(job_id: str) -> list[psutil.Process]:
    """Living processes of this user whose environment names the job, except this one."""
    wanted = f"{JOB_VARIABLE}={job_id}".encode()
    return _living(lambda word: word == wanted)


def of_any_job() -> list[psutil.Process]:
    """As `tagged`, of every job and every share of one."""
    start = f"{JOB_VARIABLE}=".encode()
    return _living(lambda word: word.startswith(start))


def _living(is_wanted: Callable[[bytes], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        except OSError:
            continue
        if any(map(is_wanted, environment.split(b"\0"))) and _lives(process):
            found.append(process)
    return found


def kill_tagged(job_id: str, within_s: float) -> list[psutil.Process]:
    """As `kill_descendants`, for processes that name the job."""
    return _kill_rounds(lambda: tagged(job_id), within_s)


def _kill_rounds(find: Callable[[], list[psutil.Process]], within_s: float) -> list[psutil.Process]:
    begun_s = time.monotonic()
    deadline = begun_s + within_s
    held: set[Path] = set()
    while alive := find():
        held |= files_held_by(process.pid for process in alive)
        may_clean = time.monotonic() - begun_s < min(CLEANERS_S, within_s / 2)
        for process in alive:
            if not (may_clean and _cleans_up(process)):
                _kill(process)
        reap()
        if time.monotonic() > deadline:
            return find()
        time.sleep(_PAUSE_S)
    remove_left(held)
    return []


def _cleans_up(process: psutil.Process) -> bool:
    """Python's resource tracker: once the others are dead it unlinks their named semaphores, whose names
    nobody else knows, and ends.
    """
    try:
        return any(_TRACKER in word for word in process.cmdline())
    except psutil.Error:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def reap() -> dict[int, int]:
    """Wait status of every child that ended and was not waited for, by pid; never blocks."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
