"""The clock that heartbeats and tokens are counted on."""

from __future__ import annotations

import time


def boottime_s() -> float:
    """Seconds since this PC's start: it runs on while a laptop sleeps, and nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
