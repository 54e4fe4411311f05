"""Waiting in tests: polled, with a limit so generous that only a fault reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable

GRACE_S = 45.0
"""On top of every limit: a machine that runs many tests at once starves some of them."""
_PAUSE_S = 0.05


def within(limit_s: float, holds: Callable[[], object], told: Callable[[], object] = str) -> None:
    """Return once `holds()` is true; fail with what `told()` says after `limit_s` and the grace."""
    deadline_s = time.monotonic() + limit_s + GRACE_S
    while not holds():
        assert time.monotonic() < deadline_s, told()
        time.sleep(_PAUSE_S)
