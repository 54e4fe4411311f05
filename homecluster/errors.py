"""Which deliberate errors end a command: what is wrong, what to do about it, and the exit code.

One question chooses the class: what would the user have to change?
    the command or a file that was written   InputError: another word would do
    this PC, before the same command works   MissingError: the hint says how
    another PC                               PeerError
    what the engine's log tells              LaunchError
    the home itself: no word would do        HomeclusterError: it was tried, and the answer is no
"""

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
    """What was typed or written in a file is wrong: another word would do (exit 2)."""

    exit_code = 2


class MissingError(HomeclusterError):
    """The command is right, but this PC lacks what it needs: a tool, disk space, a port, a job, a cluster (exit 3)."""

    exit_code = 3


class PeerError(HomeclusterError):
    """Another PC did not do its part (exit 4)."""

    exit_code = 4


class LaunchError(HomeclusterError):
    """The engine did not come up or did not stay up (exit 5); the hint names its log."""

    exit_code = 5
