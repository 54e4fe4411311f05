"""Reading a job's log: its end, and what comes after."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from homecluster.app.jobs import look
from homecluster.domain.job import is_over
from homecluster.launch.bounded_log import earlier
from homecluster.store.job_store import JobFolder

_LOOK_EVERY_S = 0.3


def last_lines(folder: JobFolder, count: int) -> tuple[str, ...]:
    """The last `count` lines, over the place where the log was rotated."""
    kept: deque[str] = deque(maxlen=count)
    for path in (earlier(folder.engine_log), folder.engine_log):
        if path.exists():
            with path.open(errors="replace") as file:
                kept.extend(line.rstrip("\n") for line in file)
    return tuple(kept)


def new_lines(folder: JobFolder) -> Iterator[str]:
    """Lines written from now on, until the job is over."""
    path = folder.engine_log
    place = path.stat().st_size if path.exists() else 0
    pending = ""
    while True:
        over = is_over(look(folder).state)
        size = path.stat().st_size if path.exists() else 0
        if size < place:
            place = 0  # the log was rotated
        if size > place:
            with path.open(errors="replace") as file:
                file.seek(place)
                *whole, pending = (pending + file.read()).split("\n")
                place = file.tell()
            yield from whole
        elif over:
            return
        time.sleep(_LOOK_EVERY_S)
