"""Engine processes that belong to no living job: what an earlier run left on this PC."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import psutil

from homecluster.domain.signs import StaleProcess
from homecluster.launch.strays import JOB_VARIABLE

_ENGINES = ("VLLM::", "ray::", "raylet", "gcs_server")
_INIT = 1


def left_engines(living_jobs: Collection[str]) -> tuple[StaleProcess, ...]:
    """Processes that name a job which is over, and engines whose parent is gone.

    An engine that somebody started by hand and still owns is none.
    """
    found = []
    for process in psutil.process_iter():
        try:
            name, parent = process.name(), process.ppid()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except psutil.Error:
            continue
        if is_left(name, parent, _job_of(process.pid), living_jobs):
            found.append(StaleProcess(pid=process.pid, name=name, port=_listening_port(process)))
    return tuple(found)


def is_left(name: str, parent: int, job: str | None, living_jobs: Collection[str]) -> bool:
    """Pure: by its mark if it has one, else by its name and its lost parent."""
    if job is not None:
        return job not in living_jobs and name.startswith(_ENGINES)
    return parent == _INIT and name.startswith(_ENGINES)


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
