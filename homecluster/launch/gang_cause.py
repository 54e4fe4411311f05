"""Which of several endings explains why a gang ended."""

from __future__ import annotations

from homecluster.domain.job import Failed, Stopped

ECHOES = (
    "connection closed by peer", "connection reset by peer", "broken pipe", "connection refused",
    "timed out", "timeout", "died unexpectedly", "cancelled", "enginedeaderror",
    "has not answered",
)  # fmt: skip
"""Words of a process that only noticed that another one was gone."""


def better_cause(first: Stopped | Failed, later: Stopped | Failed) -> Stopped | Failed:
    """Of two endings the one that explains: the first, unless it only echoes what the later one says itself."""
    if not isinstance(first, Failed) or not isinstance(later, Failed):
        return first
    return later if is_echo(first.reason) and not is_echo(later.reason) else first


def is_echo(reason: str) -> bool:
    said = reason.lower()
    return any(echo in said for echo in ECHOES)
