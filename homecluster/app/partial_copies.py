"""Copies of a model that stopped half-way: kept for who goes on with them, removed when nobody does."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import Final

from homecluster.app.file_pull import PARTIAL_PREFIX, lock_of

KEPT_S: Final = 7 * 24 * 3600.0
"""A laptop that was away for some days still goes on where it stopped."""


def forget_abandoned(models: Path, *, now_s: float) -> tuple[str, ...]:
    """Names of the partial folders to which nothing was added for so long; they are removed.

    One that is being filled is left alone, however slowly its bytes come. The empty lock file stays:
    who waits for it must not find another one in its place.
    """
    partials = (path for path in sorted(models.glob(f"{PARTIAL_PREFIX}*")) if path.is_dir())
    return tuple(partial.name for partial in partials if _forgets(partial, now_s))


def _forgets(partial: Path, now_s: float) -> bool:
    with lock_of(partial).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not partial.is_dir() or now_s - _last_added_s(partial) <= KEPT_S:
            return False
        shutil.rmtree(partial, ignore_errors=True)
    return not partial.exists()


def _last_added_s(partial: Path) -> float:
    return max(path.stat().st_mtime for path in (partial, *partial.iterdir()))
