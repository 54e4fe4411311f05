"""The kernel's small text files, read so that a missing one is an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

ReadText = Callable[[str], str | None]
"""The text of a path, or None where the path is not there; tests pass a dict's `get`."""


def read_host_text(path: str) -> str | None:
    """The text of a file of this PC, stripped; None where it is missing or not readable."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def whole_number(text: str | None) -> int | None:
    """The number that such a file holds; None where it is missing or says something else."""
    try:
        return int(text or "")
    except ValueError:
        return None
