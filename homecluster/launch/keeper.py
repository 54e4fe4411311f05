"""The parent of an engine's processes: ends them all when told to, or when its supervisor dies.

Started by the supervisor as `python -m homecluster.launch.keeper GROUP ARGV…` (GROUP is a control
group's folder or `-`). Its standard input is the line to the supervisor: `t` asks the engine to end
(SIGTERM), `k` kills what is left, and the end of the line means that the supervisor is gone. Two
processes watch over each other: whichever is killed, the other one cleans up.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from homecluster.launch import cgroup, strays
from homecluster.launch.shared_memory import files_held_by, remove_left

ABANDONED_GRACE_S = 10.0
"""What the engine gets to free its shared memory when the supervisor is gone."""
LINGER_S = 3.0
"""What its children get after the engine's first process ended."""
KILL_WITHIN_S = 10.0
NOTE_EVERY_S = 5.0
"""How often it is noted which shared memory the engine holds: a few milliseconds each time."""
ASK: Final = b"t"
KILL: Final = b"k"


def main(arguments: list[str]) -> int:
    """Exit status of the engine as a shell would give it: 128 + signal where one ended it."""
    group, *argv = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    strays.adopt_orphans()
    if group != "-":
        cgroup.enter_group(Path(group))
    # The wait status comes from reap(), which also takes in orphans.
    engine = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_in_the_child,  # noqa: PLW1509 - this process has one thread
    )
    return _watch(engine.pid)


def _in_the_child() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    # If the keeper is killed, the engine is asked to end; the supervisor kills what does not.
    strays.die_with_parent(signal.SIGTERM)


def _watch(engine_pid: int) -> int:
    line = sys.stdin.fileno()
    ended = os.pidfd_open(engine_pid)
    status: int | None = None
    deadline: float | None = None
    listening, engine_ended = True, False
    held: frozenset[Path] = frozenset()
    noted_s = 0.0
    while status is None or strays.descendants():
        waited_for = ([line] if listening else []) + ([] if engine_ended else [ended])
        ready, _, _ = select.select(waited_for, [], [], 0.2 if deadline is not None else 1.0)
        status = strays.reap().get(engine_pid, status)
        if time.monotonic() - noted_s > NOTE_EVERY_S:
            # A rank whose peer on another PC ended ends by itself, at once: nobody asked it before.
            noted_s = time.monotonic()
            held |= files_held_by(child.pid for child in strays.descendants())
        if status is not None and not engine_ended:
            engine_ended = True
            deadline = min(deadline or math.inf, time.monotonic() + LINGER_S)
        if line in ready:
            word = os.read(line, 1)
            listening = bool(word)
            if word != KILL and status is None:
                held |= files_held_by(child.pid for child in strays.descendants())
                os.kill(engine_pid, signal.SIGTERM)
            if word == KILL:
                deadline = time.monotonic()
            elif not word:
                deadline = time.monotonic() + ABANDONED_GRACE_S
        if deadline is not None and time.monotonic() >= deadline:
            strays.kill_descendants(KILL_WITHIN_S)
            status = strays.reap().get(engine_pid, status)
            break
    remove_left(held)
    return _shell_status(status)


def _shell_status(status: int | None) -> int:
    if status is None:
        return 128 + signal.SIGKILL
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
