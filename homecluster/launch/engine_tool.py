"""Running one program of the engine environment to its end, with what it says meanwhile."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from homecluster.launch.process_environment import process_environment
from homecluster.launch.strays import kill_tagged

_TAIL_LINES = 60
_KILL_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    code: int
    """Negative: ended by that signal."""
    timed_out: bool
    output: str
    said: tuple[str, ...]
    """The last lines of its standard error."""


def run_tool(
    argv: tuple[str, ...],
    here: Mapping[str, str],
    *,
    variables: tuple[tuple[str, str], ...],
    limit_s: float,
    tell: Callable[[str], None],
    tag: str | None = None,
) -> Finished:
    """Run it; whatever ends the wait (the limit, Ctrl-C) ends all of its processes too.

    `here` is this process's environment, of which a fixed list is inherited. By `tag` its processes can be
    found and ended from elsewhere.
    """
    tag = tag or f"tool-{uuid.uuid4().hex[:12]}"
    process = subprocess.Popen(
        argv,
        env=process_environment(here, command=variables, job_id=tag, api_key=None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    output: list[str] = []
    readers = _read(process, output, tail, tell)
    timed_out = False
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        timed_out = True
    finally:
        kill_tagged(tag, _KILL_WITHIN_S)
        process.wait()
    for reader in readers:
        reader.join(timeout=1)
    return Finished(
        code=process.returncode, timed_out=timed_out, output="".join(output), said=tuple(tail)
    )


def _read(
    process: subprocess.Popen[str], output: list[str], tail: deque[str], tell: Callable[[str], None]
) -> tuple[threading.Thread, ...]:
    """Both of its ends at once, so that neither fills up."""
    assert process.stdout is not None
    assert process.stderr is not None
    readers = (
        threading.Thread(target=_listen, args=(process.stderr, tail, tell), daemon=True),
        threading.Thread(target=output.extend, args=(process.stdout,), daemon=True),
    )
    for reader in readers:
        reader.start()
    return readers


def _listen(lines: IO[str], tail: deque[str], tell: Callable[[str], None]) -> None:
    for line in lines:
        tail.append(line.rstrip("\n"))
        tell(line.rstrip("\n"))
