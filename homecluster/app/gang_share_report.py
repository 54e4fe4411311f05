"""What a share tells whoever leads the gang: its state, its new log lines, its link's counters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homecluster.app.jobs import JobView
from homecluster.launch.link_bytes import read_link_bytes
from homecluster.store.job_store import JobFolder, state_table

_LOG_BYTES = 16_000
"""Of one answer; a message between PCs has at most 64 KiB."""


def report(
    folder: JobFolder, view: JobView, *, interface: str | None, place: int
) -> dict[str, Any]:
    """The share as it is now; `place` is how many bytes of its log the leader has."""
    lines, after = log_since(folder.engine_log, place)
    counted = read_link_bytes(interface) if interface else None
    return {
        **state_table(view.state),
        "log": lines,
        "place": after,
        "processes": view.processes,
        "memory_bytes": view.memory_bytes,
        "received_bytes": counted.received if counted else None,
        "sent_bytes": counted.sent if counted else None,
    }


def log_since(path: Path, place: int) -> tuple[list[str], int]:
    """(whole lines behind `place`, the place behind them); from the start where the log was rotated."""
    try:
        size = path.stat().st_size
        begin = place if place <= size else 0
        with path.open("rb") as file:
            file.seek(begin)
            content = file.read(_LOG_BYTES)
    except OSError:
        return [], 0
    whole, _, _ = content.rpartition(b"\n")
    if not whole and len(content) == _LOG_BYTES:
        return [content.decode(errors="replace")], begin + len(content)  # a line without an end
    if not whole:
        return [], begin
    return whole.decode(errors="replace").split("\n"), begin + len(whole) + 1
