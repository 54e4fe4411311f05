"""Pictures of one line, from characters that every terminal has; pure text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"


def bar(value: float, most: float, width: int) -> str:
    """As long as `value` is of `most`; something that is not nothing shows at least an eighth."""
    eighths = round(8 * width * value / most) if most > 0 else 0
    eighths = max(1, eighths) if value > 0 else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(values: Sequence[float], width: int) -> str:
    """`values` over time in `width` characters, from nothing to the highest; neighbours are averaged."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    top = max(means) or 1.0
    return "".join(_HEIGHTS[min(7, int(8 * mean / top))] for mean in means)


def band(low: float, mid: float, high: float, measured: float, width: int) -> str:
    """A measurement `●` on its predicted interval `├──┼──┤`, by ratio: as far left as right is as far off."""
    positive = [one for one in (low, mid, high, measured) if one > 0]
    if len(positive) < 4:  # noqa: PLR2004 - all four; nothing has no place on a scale of ratios
        return ""
    left, right = math.log(min(positive)), math.log(max(positive))
    span = max(right - left, 1e-9)

    def place(value: float) -> int:
        return round((width - 1) * (math.log(value) - left) / span)

    line = [" "] * width
    for column in range(place(low), place(high) + 1):
        line[column] = "─"
    for value, mark in ((low, "├"), (high, "┤"), (mid, "┼"), (measured, "●")):
        line[place(value)] = mark
    return "".join(line)
