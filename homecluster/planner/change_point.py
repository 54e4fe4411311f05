"""When a quantity changed for good: the one point of a short series that splits it best, or none; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_LEAST_BEFORE, _LEAST_AFTER = 5, 3
"""So few points do not make a level; three in a row are no hiccup."""
_SURE = 3.0
"""Standard deviations of the rank sum: on noise alone, about one series in several hundred splits so well."""
_SMALLEST_RATIO = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The level before and since `index`, the first point of the new level."""

    index: int
    before: float
    since: float

    @property
    def ratio(self) -> float:
        return self.since / self.before if self.before > 0 else math.inf


def last_change(values: Sequence[float]) -> Change | None:
    """The split with the most unlikely rank sum (Mann-Whitney), if it is beyond chance and by half or more.

    Ranks, because round trips have a long tail: one slow answer is no new level. The series after the
    split must hold its level, so a trouble that came and went is no change.
    Costs n log n; assumes values >= 0.
    """
    n = len(values)
    if n < _LEAST_BEFORE + _LEAST_AFTER:
        return None
    ranks = _ranks(values)
    best: tuple[float, int] = (0.0, 0)
    total = 0.0
    for index in range(1, n):
        total += ranks[index - 1]
        if index < _LEAST_BEFORE or n - index < _LEAST_AFTER:
            continue
        expected = index * (n + 1) / 2
        deviation = math.sqrt(index * (n - index) * (n + 1) / 12)
        score = abs(total - expected) / deviation
        if score > best[0]:
            best = (score, index)
    score, index = best
    if score < _surest(n):
        return None
    change = Change(index=index, before=median(values[:index]), since=median(values[index:]))
    small = 1 / _SMALLEST_RATIO < change.ratio < _SMALLEST_RATIO
    return None if small or not _lasts(values[index:], change) else change


def _surest(n: int) -> float:
    """The bar; short series cannot reach three deviations, a clean split of them is all there is."""
    cleanest = math.sqrt(3 * _LEAST_AFTER * (n - _LEAST_AFTER) / (n + 1))
    return min(_SURE, 0.999 * cleanest)


def _lasts(after: Sequence[float], change: Change) -> bool:
    """The newest points are nearer to the new level than to the old one."""
    newest = median(after[-_LEAST_AFTER:])
    return abs(newest - change.since) < abs(newest - change.before)


def _ranks(values: Sequence[float]) -> list[float]:
    """1-based; equal values share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        for position in range(start, stop):
            ranks[order[position]] = (start + stop + 1) / 2
        start = stop
    return ranks
