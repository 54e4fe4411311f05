"""Checkpoints that appear whole or not at all: a full disk or a crash leaves the one before intact."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from homecluster.domain.units import format_bytes
from homecluster.errors import MissingError

KEPT: Final = 2
"""The newest, and one before it in case that one cannot be read."""
_NAME = re.compile(r"step-(\d+)")
_PARTIAL: Final = ".partial"
_SPARE: Final = 1.1


def newest(folder: Path) -> int | None:
    """The step of the newest whole checkpoint; None where there is none."""
    return max(steps(folder), default=None)


def steps(folder: Path) -> list[int]:
    """Of all whole checkpoints, ascending."""
    if not folder.is_dir():
        return []
    matches = [_NAME.fullmatch(path.name) for path in folder.iterdir() if path.is_dir()]
    return sorted(int(match[1]) for match in matches if match)


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step}"


def save(folder: Path, step: int, size_bytes: int, write: Callable[[Path], None]) -> Path:
    """Have `write` fill a folder, then make it the newest checkpoint and forget the oldest.

    Raises:
        MissingError: the disk has no room for `size_bytes`, or writing failed; the one before is intact and named.
    """
    partial = folder / f"{_PARTIAL}-{step}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(folder).free
        if free < size_bytes * _SPARE:
            raise OSError(f"it needs {format_bytes(size_bytes)}, and {format_bytes(free)} is free")  # noqa: TRY301 - joins what the disk itself says
        partial.mkdir()
        write(partial)
        _settle(partial)
        partial.rename(path_of(folder, step))
    except (OSError, RuntimeError) as error:  # torch.save says RuntimeError of a full disk
        shutil.rmtree(partial, ignore_errors=True)
        before = newest(folder)
        kept = f"the checkpoint of step {before} is intact" if before is not None else "there is none before it"  # fmt: skip
        raise MissingError(
            f"the checkpoint of step {step} cannot be written: {error}; {kept}",
            hint="free some disk space, then go on with --resume.",
        ) from error
    for old in steps(folder)[:-KEPT]:
        shutil.rmtree(path_of(folder, old), ignore_errors=True)
    return path_of(folder, step)


def _settle(folder: Path) -> None:
    """Wait until the disk has it: the name must not be there before the content."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
