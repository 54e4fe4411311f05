"""Engine processes that belong to no living job: what an earlier run left on this PC."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import psutil

from homecluster.domain.signs import StaleProcess
from homecluster.launch.strays import JOB_VARIABLE

_ENGINES = ("VLLM::", "ray::", "raylet", "gcs_server")
_INIT = 1


def left_engines(jobs_that_are_over: Collection[str]) -> tuple[StaleProcess, ...]:
    """Processes that name a job which is over, and engines whose parent is gone.

    An engine that somebody started by hand and still owns is none, and neither is one of a job that
    this state directory does not know: another user or another directory owns it.
    """
    found = []
    for process in psutil.process_iter():
        try:
            name, parent = process.name(), process.ppid()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except psutil.Error:
            continue
        if name.startswith(_ENGINES) and is_left(parent, _job_of(process.pid), jobs_that_are_over):
            found.append(StaleProcess(pid=process.pid, name=name, port=_listening_port(process)))
    return tuple(found)


def is_left(parent: int, job: str | None, jobs_that_are_over: Collection[str]) -> bool:
    """Pure: by its mark if it has one, else by its lost parent."""
    if job is not None:
        return job in jobs_that_are_over
    return parent == _INIT


def _job_of(pid: int) -> str | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    mark = f"{JOB_VARIABLE}=".encode()
    words = [word for word in environment.split(b"\0") if word.startswith(mark)]
    return words[0].removeprefix(mark).decode("utf-8", "replace") if words else None


def _listening_port(process: psutil.Process) -> int | None:
    try:
        sockets = process.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    return next((one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN), None)
