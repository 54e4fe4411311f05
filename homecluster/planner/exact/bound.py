"""Seconds that no pipeline over given groups beats, whatever their order and however the layers are cut."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from homecluster.planner import step
from homecluster.planner.exact import room
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.pieces import Load
from homecluster.planner.memory import engine_limits

_FINENESS = 2**0.5
"""From one number of requests to the next; a coarser line between them would lie above what it bounds."""


class Bound:
    """Groups that are to become the stages of one copy, two at least; times are computed where they are asked for.

    A copy whose cache holds fewer requests than there are works like one of that size, and inside a PC messages
    cost a fixed part and a part by bytes: the least time per request falls as requests grow.
    """

    def __init__(self, clock: Clock, groups: Sequence[Group], *, ordered: bool) -> None:
        """`ordered`: in this order; else in any that keeps the groups of one PC together."""
        self._clock, self._groups = clock, tuple(groups)
        self._ranks = sum(map(len, groups))
        self._ends = range(len(groups) - 1 if ordered else 0, len(groups))
        drivers = self._groups[:1] if ordered else self._groups
        self._stepping_s = min(clock.stepping_s([g, *groups]) for g in drivers)
        self._hosts = [self._host_line(group) for group in drivers]
        self._edges = _in_order(clock, groups) if ordered else _in_any_order(clock, groups)
        self._rooms = [clock.room(group, self._ranks) for group in groups]
        self._caps: dict[float, list[int]] = {}
        prompt = clock.workload.prompt_tokens
        self._chunks = {
            float(max(1, engine_limits(group[0], self._ranks).batched_tokens // prompt))
            for group in drivers
        }
        """Prompts of a chunk, by which group drives."""
        self._numbers = self._knots()
        self._times_s: dict[int, float] = {}
        self._last = (0.0, 0.0)
        """(seconds, requests inside): the same time is asked for again and again."""

    @property
    def may_run(self) -> bool:
        """The memory of all groups together holds the model and a request."""
        most = [one.layers for one in self._rooms]
        return bool(self._numbers) and min(most) >= 1 and sum(most) >= self._clock.spec.layers

    def inside(self, time_s: float) -> float:
        """No copy answers more requests within the time."""
        if self._last[0] != time_s:
            self._last = time_s, self._inside(time_s)
        return self._last[1]

    def _inside(self, time_s: float) -> float:
        if not self.may_run or self._at(0) > time_s:
            return 0.0
        numbers, last = self._numbers, len(self._numbers) - 1
        if self._at(last) <= time_s:
            return numbers[last] * time_s / self._at(last)
        low, high = 0, last
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._at(middle) <= time_s else (low, middle)
        share = (time_s - self._at(low)) / (self._at(high) - self._at(low))
        return numbers[low] + (numbers[high] - numbers[low]) * share

    def may_exceed(self, requests: float, time_s: float) -> bool:
        """Whether a copy might answer more than so many within the time; one look decides most cases."""
        if self._last[0] == time_s or not self.may_run:
            return self._last[1] > requests
        below = bisect_right(self._numbers, requests) - 1
        if self._at(max(0, below)) > time_s:
            return False
        return self.inside(time_s) > requests

    def _at(self, index: int) -> float:
        """Least seconds of a request with so many in the copy.

        Caches leave the fewer layers for a device the more requests run: where that keeps layers from the
        quickest devices, fewer requests at once and a queue may do better. Memory is that for the number before,
        so that what lies in between is covered.
        """
        known = self._times_s.get(index)
        if known is None:
            requests, fewer = self._numbers[index], self._numbers[max(0, index - 1)]
            known, short = self._round_s(requests, self._caps_for(fewer))
            if index and short:
                known = min(known, requests * self._at(index - 1) / fewer)
            self._times_s[index] = known
        return known

    def _caps_for(self, requests: float) -> list[int]:
        """Layers that each stage has memory for beside the caches of so many."""
        if requests not in self._caps:
            asked = self._clock.workload
            self._caps[requests] = [
                room.layers_beside(one, requests * (asked.prompt_tokens + asked.output_tokens / 2))
                for one in self._rooms
            ]
        return self._caps[requests]

    def _round_s(self, requests: float, caps: Sequence[int]) -> tuple[float, bool]:
        """(least seconds in which so many are answered once, whether memory keeps layers from the quickest)."""
        asked, stages = self._clock.workload, len(self._groups)
        flights = min(float(stages), requests)
        decode = self._step(Load(decode=True, sequences=requests / flights), caps)
        prompts_s = min(
            self._step(Load(decode=False, sequences=together), caps).first_and_more_s(
                max(0.0, requests / together - 1)
            )
            for together in {min(requests, chunk) for chunk in self._chunks}
        )
        decodes = asked.output_tokens - 1
        return prompts_s + decodes * decode.between_s(flights), decode.short

    def _knots(self) -> list[float]:
        """Powers, what the caches of all groups together hold, and where a copy's own response bends."""
        asked = self._clock.workload
        limits = [engine_limits(group[0], self._ranks) for group in self._groups]
        most = float(max(limit.sequences for limit in limits))
        if asked.request_rate_per_s is None:
            most = min(most, float(asked.concurrent_requests))
        most = min(most, room.requests(self._clock.spec, self._clock.workload, self._rooms))
        if most < 1:
            return []
        powers = range(math.ceil(math.log(most, _FINENESS)))
        return sorted(
            {most, *(_FINENESS**p for p in powers), *(min(most, chunk) for chunk in self._chunks)}
        )

    def _host_line(self, group: Group) -> tuple[float, float]:
        """(seconds for one sequence, for each further one)."""
        one, two = (
            step.host_seconds(self._clock.spec, group[0], self._ranks, n) for n in (1.0, 2.0)
        )
        return one, two - one

    def _step(self, load: Load, caps: Sequence[int]) -> _Step:
        layers = self._clock.spec.layers
        least = [self._clock.least_s(group, load) for group in self._groups]
        layer_s, head_s = [each for each, _ in least], [head for _, head in least]
        ends = [(layer_s[i], head_s[i]) for i in self._ends]
        balanced_s, short = _balanced_s(layers, layer_s, caps, ends)
        most = [one.layers for one in self._rooms]
        host_s = min(one + (load.sequences - 1) * more for one, more in self._hosts)
        fixed_s, each_s = self._edges
        besides_s = fixed_s + self._clock.tokens(load) * each_s + self._stepping_s + host_s
        besides_s += min(head for _, head in ends)
        return _Step(
            way_s=_quickest_s(layers, layer_s, most) + besides_s,
            busy_s=max(balanced_s, _balanced_whole_s(layers, layer_s), host_s),
            trades=[(busy_s, way_s + besides_s) for busy_s, way_s in _trades(layers, layer_s)],
            short=short,
        )


class _Step(NamedTuple):
    """What a step takes at least."""

    way_s: float
    """Through all stages."""
    busy_s: float
    """On the busiest stage, or of the host."""
    trades: list[tuple[float, float]]
    """(busiest stage, way) of ever fewer stages with more layers each: what is gained on one is lost on the other."""
    short: bool
    """Memory keeps layers from the quickest."""

    def first_and_more_s(self, more: float) -> float:
        """The way once, and the busiest stage `more` times."""
        return max(
            self.way_s + more * self.busy_s,
            min(way_s + more * busy_s for busy_s, way_s in self.trades),
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


def _trades(layers: int, layer_s: Sequence[float]) -> list[tuple[float, float]]:
    """With the j quickest stages equally busy and no layer on the others, from all stages down to one.

    M_j = L / sum of 1 / s_g over the j quickest; the way is j M_j, and a straight line in between.
    """
    made, speed = [], 0.0
    for count, one_s in enumerate(sorted(layer_s), start=1):
        speed += 1 / one_s
        made.append((layers / speed, count * layers / speed))
    return made[::-1]


def _balanced_s(
    layers: int,
    layer_s: Sequence[float],
    caps: Sequence[int],
    ends: Sequence[tuple[float, float]],
) -> tuple[float, bool]:
    """(seconds of the busiest stage, whether memory binds), of layers in fractions that all stages finish together.

    With s_g the seconds of a layer on group g, h what the output head adds on the last: they take M with
    sum over g of (M / s_g) = L + h / s. A stage that lacks the memory for M / s_g layers takes what it can.
    """
    speed = sum(1 / one_s for one_s in layer_s)
    all_s = (layers + min(h / s for s, h in ends)) / speed
    if all(all_s <= cap * one_s for one_s, cap in zip(layer_s, caps, strict=True)):
        return all_s, False
    left, busy_s = float(layers), 0.0
    for full_s, one_s, cap in sorted(
        (cap * one_s, one_s, cap) for one_s, cap in zip(layer_s, caps, strict=True)
    ):
        busy_s = left / speed
        if busy_s <= full_s:
            break
        left, speed = left - cap, speed - 1 / one_s
    return busy_s, True


def _balanced_whole_s(layers: int, layer_s: Sequence[float]) -> float:
    """The same in whole layers, without head and memory: the busiest stage's least seconds."""
    busy_s = layers / sum(1 / one_s for one_s in layer_s)
    counts = [max(1, math.floor(busy_s / one_s + 1e-9)) for one_s in layer_s]
    busy_s = max(busy_s, *layer_s)
    for _ in range(layers - sum(counts)):
        next_s, index = min(((n + 1) * s, i) for i, (n, s) in enumerate(zip(counts, layer_s)))  # noqa: B905 - in a hot loop
        counts[index] += 1
        busy_s = max(busy_s, next_s)
    return busy_s * (1 - 1e-9)


def _quickest_s(layers: int, layer_s: Sequence[float], caps: Sequence[int]) -> float:
    """Seconds of all layers with one on each stage and the others where they are quickest, as far as memory lets."""
    left, total_s = layers - len(layer_s), sum(layer_s)
    for one_s, cap in sorted(zip(layer_s, caps, strict=True)):
        taken = min(left, max(0, cap - 1))
        total_s += taken * one_s
        left -= taken
    return total_s


def _in_order(clock: Clock, groups: Sequence[Group]) -> tuple[float, float]:
    """Hand-overs of this order: (fixed seconds, seconds for each token)."""
    lines = [clock.edge(a, b) for a, b in pairwise(groups)]
    return sum(fixed for fixed, _ in lines), sum(each for _, each in lines)


def _in_any_order(clock: Clock, groups: Sequence[Group]) -> tuple[float, float]:
    """As many of the cheapest hand-overs as every order has."""
    far: list[tuple[float, float]] = []
    near: list[tuple[float, float]] = []
    for a in groups:
        for b in groups:
            if a is not b:
                (near if a[0].node_id == b[0].node_id else far).append(clock.edge(a, b))
    crossings = len({group[0].node_id for group in groups}) - 1
    inner = len(groups) - 1 - crossings
    fixed_s = crossings * _least(far, 0) + inner * _least(near, 0)
    return fixed_s, crossings * _least(far, 1) + inner * _least(near, 1)


def _least(lines: Sequence[tuple[float, float]], part: int) -> float:
    return min((line[part] for line in lines), default=0.0)
