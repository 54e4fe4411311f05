"""Runs one command inside a host: `enter.py ROOT PID CGROUP|- COMMAND...`, its signals passed on.

The command is a child, because only children enter a PID namespace; it ends with this process.
Started without site packages, it costs about 20 ms.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.lab import namespaces

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def main(pid: int, cgroup: str, argv: list[str]) -> None:
    """Run and end as the command ends: with its exit code, or by its signal."""
    if cgroup != "-":
        with open(f"{cgroup}/cgroup.procs", "w") as members:  # noqa: PTH123 - no pathlib here: start-up time
            members.write("0")
    folder = os.getcwd()  # noqa: PTH109
    namespaces.enter(pid)
    os.chdir(folder)
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # none is lost before it can be passed on
    child = os.fork()
    if child == 0:
        _be_command(argv)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        ended_by = os.WTERMSIG(status)
        if ended_by != signal.SIGKILL:
            signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    sys.exit(os.waitstatus_to_exitcode(status))


def _be_command(argv: list[str]) -> None:
    try:
        namespaces.die_with_parent()
        os.setsid()  # signals arrive once, through the parent, however they were sent
        for number in (signal.SIGPIPE, *_PASSED_ON):  # a shell's background job ignores SIGINT
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)
