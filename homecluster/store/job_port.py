"""The local port of something that this PC runs, for those who reach it through the agent's connection."""

from __future__ import annotations

import re

from homecluster.errors import InputError
from homecluster.store.job_store import JobFolder, read_launch
from homecluster.store.paths import Paths

_JOB = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def port_of(paths: Paths, job: str) -> int:
    """The port on 127.0.0.1 where the job answers.

    Raises:
        InputError: this PC runs nothing of that name.
    """
    if _JOB.fullmatch(job) and ".." not in job:
        for parent in (paths.shares, paths.jobs):
            folder = JobFolder(path=parent / job)
            if folder.launch_file.is_file():
                return read_launch(folder).spec.port
    raise InputError(f"no job is called {job[:80]!r} on this PC")
