"""A light record of links over time: one checksummed line per point, in a file that cannot grow for ever."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from homecluster.domain.ids import NodeId
from homecluster.errors import MissingError
from homecluster.store.files import private_folder, write_private
from homecluster.store.typed_table import ShapeError, read_table

MOST_BYTES: Final = 512 * 1024
"""About 3000 points: ten days of one link at a point every five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPoint:
    """One look at one link."""

    at: str
    """UTC, ISO 8601."""
    src: NodeId
    dst: NodeId
    method: str
    """What measured it; only points of one method are compared."""
    rtt_s: float | None = None
    bandwidth_bytes_per_s: float | None = None


def add_point(path: Path, point: LinkPoint) -> None:
    """Append it; the older half goes when the file is full.

    Raises:
        MissingError: the disk is full or not writable; the record so far is intact.
    """
    line = _line(point)
    try:
        size = path.stat().st_size if path.exists() else 0
        if size + len(line) > MOST_BYTES:
            kept = path.read_bytes()[-MOST_BYTES // 2 :]
            write_private(path, kept.partition(b"\n")[2])
        private_folder(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(line)
    except OSError as error:
        raise MissingError(f"cannot write {path}: {error.strerror or error}") from error


def read_points(path: Path) -> tuple[LinkPoint, ...]:
    """Every whole point, the oldest first; lines that a crash cut or a disk spoilt are passed over."""
    try:
        lines = path.read_bytes()[-MOST_BYTES:].splitlines()
    except OSError:
        return ()
    found = (_point(line) for line in lines)
    return tuple(point for point in found if point is not None)


def _line(point: LinkPoint) -> bytes:
    text = json.dumps(asdict(point), separators=(",", ":")).encode()
    # The newline before: a line that a crash cut short spoils itself only.
    return b"\n%08x %s\n" % (zlib.crc32(text), text)


def _point(line: bytes) -> LinkPoint | None:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        return read_table(LinkPoint, json.loads(text), "point")
    except (ValueError, ShapeError, RecursionError):
        return None
