"""Reading the log of a job or of this PC's agent: its end, and what comes after."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from homecluster.app.jobs import look
from homecluster.domain.job import is_over
from homecluster.launch.bounded_log import earlier
from homecluster.store.job_store import JobFolder

_LOOK_EVERY_S = 0.3
_GLANCE_BYTES = 64 * 1024


def last_lines(folder: JobFolder, count: int) -> tuple[str, ...]:
    """The last `count` lines of the job's engine."""
    return end_of(folder.engine_log, count)


def glance(folder: JobFolder, count: int) -> tuple[str, ...]:
    """At most `count` of the last lines, of the last few screens only: for who looks every second."""
    kept: deque[str] = deque(maxlen=count)
    for path in (earlier(folder.engine_log), folder.engine_log):
        if path.exists():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _GLANCE_BYTES))
                kept.extend(file.read(_GLANCE_BYTES).decode("utf-8", "replace").splitlines())
    return tuple(kept)


def new_lines(folder: JobFolder) -> Iterator[str]:
    """Lines that the job's engine writes from now on, until the job is over."""
    return added_to(folder.engine_log, lambda: is_over(look(folder).state))


def end_of(log: Path, count: int) -> tuple[str, ...]:
    """The last `count` lines, over the place where the log was rotated."""
    kept: deque[str] = deque(maxlen=count)
    for path in (earlier(log), log):
        if path.exists():
            with path.open(errors="replace") as file:
                kept.extend(line.rstrip("\n") for line in file)
    return tuple(kept)


def added_to(log: Path, is_complete: Callable[[], bool]) -> Iterator[str]:
    """Lines written from now on, until nothing is left to read of a log that is complete."""
    place = log.stat().st_size if log.exists() else 0
    pending = ""
    while True:
        complete = is_complete()
        size = log.stat().st_size if log.exists() else 0
        if size < place:
            place = 0  # the log was rotated
        if size > place:
            with log.open(errors="replace") as file:
                file.seek(place)
                *whole, pending = (pending + file.read()).split("\n")
                place = file.tell()
            yield from whole
        elif complete:
            return
        time.sleep(_LOOK_EVERY_S)
