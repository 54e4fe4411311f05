"""Layers shared among stages in the best conceivable way: how long a step then takes at least, and how busy the stages are.

Stages differ only in the seconds that a layer takes on them, ascending; layers may be cut in fractions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from typing import NamedTuple


class Step(NamedTuple):
    """What a step takes at least."""

    way_s: float
    """Through all stages."""
    busy_s: float
    """On the busiest stage, or of the host."""
    trades: list[tuple[float, float]]
    """(busiest stage, way) of ever fewer stages with more layers each: what is gained on one is lost on the other."""

    def first_and_more_s(self, more: float) -> float:
        """The way once, and the busiest stage `more` times."""
        return max(
            self.way_s + more * self.busy_s,
            min([way_s + more * busy_s for busy_s, way_s in self.trades]),
        )

    def between_s(self, flights: float) -> float:
        """The longer of the way and so many times the busiest stage, at their best compromise."""
        floor_s = max(self.way_s, flights * self.busy_s)
        before: tuple[float, float] | None = None
        for busy_s, way_s in self.trades:
            if flights * busy_s >= way_s:
                if before is None:
                    return max(floor_s, flights * busy_s)
                lacking, spare = before[1] - flights * before[0], flights * busy_s - way_s
                share = lacking / (lacking + spare)
                return max(floor_s, flights * (before[0] + share * (busy_s - before[0])))
            before = busy_s, way_s
        return max(floor_s, self.trades[-1][1])


def trades(layers: int, layer_s: Sequence[float]) -> list[tuple[float, float]]:
    """With the j quickest stages equally busy and no layer on the others, from all stages down to one.

    M_j = L / sum of 1 / s_g over the j quickest; the way is j M_j, and a straight line in between.
    """
    made, speed = [], 0.0
    for count, one_s in enumerate(layer_s, start=1):
        speed += 1 / one_s
        made.append((layers / speed, count * layers / speed))
    return made[::-1]


def even_s(layers: float, layer_s: Sequence[float]) -> float:
    """Seconds of each stage where all finish together: with s_g the seconds of a layer, L / sum of 1 / s_g."""
    return layers / sum([1 / one_s for one_s in layer_s])


def within_memory_s(layers: float, layer_s: Sequence[float], caps: Sequence[int]) -> float:
    """The same where a stage that lacks the memory for its part takes the `caps` layers that it can."""
    soonest_full = sorted(
        [(cap * one_s, one_s, cap) for one_s, cap in zip(layer_s, caps, strict=True)]
    )
    # Summed from the end: taking one stage's speed off the sum of all leaves nothing of a far slower one's.
    speeds = list(accumulate([1 / one_s for _, one_s, _ in reversed(soonest_full)]))
    left, busy_s = layers, 0.0
    for (full_s, _, cap), speed in zip(soonest_full, reversed(speeds), strict=True):
        busy_s = left / speed
        if busy_s <= full_s:
            break
        left -= cap
    return busy_s


def whole_s(layers: int, layer_s: Sequence[float]) -> float:
    """The busiest stage's least seconds in whole layers, at least one on each stage."""
    each_s = even_s(layers, layer_s)
    counts = [max(1, math.floor(each_s / one_s + 1e-9)) for one_s in layer_s]
    busy_s = max(each_s, layer_s[-1])
    further = [((n + 1) * one_s, one_s) for n, one_s in zip(counts, layer_s, strict=True)]
    heapify(further)
    for _ in range(layers - sum(counts)):
        next_s, one_s = further[0]
        busy_s = max(busy_s, next_s)
        heapreplace(further, (next_s + one_s, one_s))
    return busy_s * (1 - 1e-9)


def quickest_way_s(layers: int, layer_s: Sequence[float], most: Sequence[int]) -> float:
    """Seconds of all layers with one on each stage and the others where they are quickest, as far as memory lets."""
    left, total_s = layers - len(layer_s), sum(layer_s)
    for one_s, cap in zip(layer_s, most, strict=True):
        taken = min(left, max(0, cap - 1))
        total_s += taken * one_s
        left -= taken
    return total_s
