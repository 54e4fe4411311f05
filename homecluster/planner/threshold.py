"""From which figure of a link on something no longer wins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

_BISECTIONS: Final = 24
"""Of eleven decades: a millionth of the value, and three digits are shown."""


def largest_that_wins(wins: Callable[[float], bool], low: float, high: float) -> float | None:
    """The largest value that still wins, between `low` and `high`; None if not even `low` does.

    Whoever wins at a value must win at every smaller one. Halves on a logarithmic scale.
    """
    if not wins(low):
        return None
    if wins(high):
        return high
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        if wins(middle):
            low = middle
        else:
            high = middle
    return low
