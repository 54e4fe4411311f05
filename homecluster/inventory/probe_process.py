"""Running the device measurement in the engine environment, with its progress, and nothing left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

PROGRESS = "progress: "
"""Begins the lines that `homecluster.jobs.device_probe` means for the user."""
_TAIL_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a measurement left: its document's text, or why there is none."""

    code: int
    """The exit status; negative: ended by that signal, or by us after the time limit."""
    output: str
    log: str
    """The end of what it and the engine said."""


def run_probe(
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    limit_s: float,
    tell: Callable[[str], None],
) -> Ended:
    """Run it to its end, telling its progress; an interruption or the limit ends its whole group."""
    process = subprocess.Popen(
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stderr is not None
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    listener = threading.Thread(target=_listen, args=(process.stderr, tail, tell), daemon=True)
    listener.start()
    timer = threading.Timer(limit_s, _kill_group, args=(process,))
    timer.start()
    try:
        assert process.stdout is not None
        output = process.stdout.read()
        code = process.wait()
    finally:
        timer.cancel()
        _kill_group(process)
        process.wait()
    listener.join(timeout=1)
    return Ended(code=code, output=output, log="".join(tail))


def _listen(lines: IO[str], tail: deque[str], tell: Callable[[str], None]) -> None:
    for line in lines:
        if line.startswith(PROGRESS):
            tell(line.removeprefix(PROGRESS).strip())
        else:
            tail.append(line)


def _kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
