"""How often something may happen; pure but for the clock that it is given."""

from __future__ import annotations

from collections.abc import Callable


class Bucket:
    """Lets `per_s` through on average, and `burst` at once."""

    def __init__(self, per_s: float, burst: float, clock_s: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock_s = per_s, burst, clock_s
        self._left, self._at_s = burst, clock_s()

    def take(self) -> bool:
        """Whether one more is within the rate."""
        now_s = self._clock_s()
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
