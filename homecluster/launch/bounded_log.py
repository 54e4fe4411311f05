"""A log file that cannot fill the disk and does not repeat the secrets it is told."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

LIMIT_BYTES = 10_000_000
"""A new file is begun there; one earlier file is kept."""
TAIL_LINES = 400
"""Enough to hold the tracebacks of the server, the engine core and two workers."""
_HIDDEN = b"[secret]"


class BoundedLog:
    """Writes lines to `path`, readable by its user only, and remembers the last ones."""

    def __init__(
        self, path: Path, secrets: tuple[str, ...] = (), limit_bytes: int = LIMIT_BYTES
    ) -> None:
        self._path = path
        self._secrets = tuple(secret.encode() for secret in secrets if secret)
        self._limit_bytes = limit_bytes
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._open()

    def write(self, line: bytes) -> str:
        """The line as it was kept: without its end, without secrets, decoded."""
        for secret in self._secrets:
            line = line.replace(secret, _HIDDEN)
        if self._written_bytes + len(line) + 1 > self._limit_bytes:
            self._rotate()
        os.write(self._file, line + b"\n")
        self._written_bytes += len(line) + 1
        text = line.decode("utf-8", "replace")
        self._tail.append(text)
        return text

    def tail(self) -> tuple[str, ...]:
        return tuple(self._tail)

    def _open(self) -> None:
        self._file = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._written_bytes = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        os.close(self._file)
        self._path.replace(earlier(self._path))
        self._open()


def earlier(path: Path) -> Path:
    """Where the part before the last rotation is."""
    return path.with_name(path.name + ".1")


def split_lines(pending: bytes, chunk: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines of `pending + chunk`, and what is left; the carriage return of a progress bar ends a line too."""
    *whole, rest = (pending + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return [line for line in whole if line.strip()], rest
