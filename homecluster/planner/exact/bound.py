"""Seconds that no pipeline over given groups beats, whatever their order and however the layers are cut."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

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
        self._caps = [one.layers for one in self._rooms]
        prompt = clock.workload.prompt_tokens
        self._chunks = {
            float(max(1, engine_limits(group[0], self._ranks).batched_tokens // prompt))
            for group in drivers
        }
        """Prompts of a chunk, by which group drives."""
        self._numbers = self._knots()
        self._times_s: dict[int, float] = {}

    @property
    def may_run(self) -> bool:
        """The memory of all groups together holds the model and a request."""
        return bool(self._numbers) and sum(self._caps) >= self._clock.spec.layers

    def inside(self, time_s: float) -> float:
        """No copy answers more requests within the time."""
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
        if not self.may_run:
            return False
        below = bisect_right(self._numbers, requests) - 1
        if self._at(max(0, below)) > time_s:
            return False
        return self.inside(time_s) > requests

    def _at(self, index: int) -> float:
        known = self._times_s.get(index)
        if known is None:
            known = self._times_s[index] = self.least_time_s(self._numbers[index])
        return known

    def least_time_s(self, requests: float) -> float:
        """Least seconds of a request with so many in the copy."""
        asked, stages = self._clock.workload, len(self._groups)
        flights = min(float(stages), requests)
        way_s, busy_s = self._step_s(Load(decode=True, sequences=requests / flights))
        prompts_s = min(
            read_s + max(0.0, requests / together - 1) * reading_s
            for together in {min(requests, chunk) for chunk in self._chunks}
            for read_s, reading_s in [self._step_s(Load(decode=False, sequences=together))]
        )
        return prompts_s + (asked.output_tokens - 1) * max(way_s, flights * busy_s)

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

    def _step_s(self, load: Load) -> tuple[float, float]:
        """(least seconds of the way, least seconds of the busiest stage)."""
        layers = self._clock.spec.layers
        tokens = load.sequences * (1 if load.decode else self._clock.workload.prompt_tokens)
        least = [self._clock.least_s(group, load) for group in self._groups]
        layer_s, head_s = [each for each, _ in least], [head for _, head in least]
        whole_s = max(
            _balanced_s(layers, layer_s, self._caps, [(layer_s[i], head_s[i]) for i in self._ends]),
            _balanced_whole_s(layers, layer_s),
        )
        work_s = _quickest_s(layers, layer_s, self._caps) + min(head_s[i] for i in self._ends)
        host_s = min(one + (load.sequences - 1) * more for one, more in self._hosts)
        fixed_s, each_s = self._edges
        way_s = max(work_s, whole_s) + fixed_s + tokens * each_s + self._stepping_s + host_s
        return way_s, max(whole_s, host_s)


def _balanced_s(
    layers: int,
    layer_s: Sequence[float],
    caps: Sequence[int],
    ends: Sequence[tuple[float, float]],
) -> float:
    """Layers in fractions that all stages finish together.

    With s_g the seconds of a layer on group g, h what the output head adds on the last: they take M with
    sum over g of (M / s_g) = L + h / s. A stage that lacks the memory for M / s_g layers takes what it can.
    """
    speed = sum(1 / one_s for one_s in layer_s)
    all_s = (layers + min(h / s for s, h in ends)) / speed
    if all(all_s <= cap * one_s for one_s, cap in zip(layer_s, caps, strict=True)):
        return all_s
    left, busy_s = float(layers), 0.0
    for full_s, one_s, cap in sorted(
        (cap * one_s, one_s, cap) for one_s, cap in zip(layer_s, caps, strict=True)
    ):
        busy_s = left / speed
        if busy_s <= full_s:
            break
        left, speed = left - cap, speed - 1 / one_s
    return busy_s


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
