"""Which deliberate errors end the `netprobe` command: what is wrong, what to do, and the exit code."""

from __future__ import annotations

from typing import ClassVar


class NetprobeError(Exception):
    """A failure that the user can act on: `message` says what, `hint` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(NetprobeError):
    """What was typed or written in a file is wrong (exit 2)."""

    exit_code = 2


class MissingError(NetprobeError):
    """Something this PC needs is not there: a tool, a free port, an address (exit 3)."""

    exit_code = 3
