"""How a process that leads a job is asked to stop: by a signal, or by the end of the command that started it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

AskToStop = Callable[[str], None]
"""Takes the reason; may come from a signal handler and from another thread."""


def stop_at_signals(ask_to_stop: AskToStop) -> None:
    def on_signal(number: int, _frame: object) -> None:
        ask_to_stop(f"asked to stop ({signal.Signals(number).name})")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)


def stop_with_its_command(ask_to_stop: AskToStop) -> None:
    """The command holds the other end of stdin, which closes however the command ends."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        ask_to_stop("the command that started it ended")

    threading.Thread(target=wait, daemon=True).start()
