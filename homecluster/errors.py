"""Which deliberate errors end a command: what is wrong, what to do about it, and the exit code."""

from __future__ import annotations

from typing import ClassVar


class HomeclusterError(Exception):
    """A failure that the user can act on: `message` says what, `hint` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(HomeclusterError):
    """What was typed or written in a file is wrong (exit 2)."""

    exit_code = 2


class MissingError(HomeclusterError):
    """Something this PC needs is not there: a tool, disk space, a free port (exit 3)."""

    exit_code = 3


class PeerError(HomeclusterError):
    """Another PC did not do its part (exit 4)."""

    exit_code = 4


class LaunchError(HomeclusterError):
    """The engine did not come up or did not stay up (exit 5); the hint names its log."""

    exit_code = 5
