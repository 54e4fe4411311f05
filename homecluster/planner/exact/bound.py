"""Requests that no pipeline over given groups exceeds within a time, whatever their order and however the layers are cut."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import NamedTuple

from homecluster.planner import serving, step
from homecluster.planner.exact import room, sharing
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.pieces import Load
from homecluster.planner.exact.sharing import Step
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
        self._clock, self._ranks = clock, sum(map(len, groups))
        drivers = groups[:1] if ordered else groups
        self._stepping_s = min(clock.stepping_s([g, *groups]) for g in drivers)
        self._hosts = [self._host_line(group) for group in drivers]
        self._edges = _in_order(clock, groups) if ordered else _in_any_order(clock, groups)
        self._paces = [clock.pace(group) for group in groups]
        self._lasts = self._paces[-1:] if ordered else self._paces
        self._rooms = [clock.room(group, self._ranks) for group in groups]
        prompt = clock.workload.prompt_tokens
        self._chunks = {
            float(max(1, engine_limits(group[0], self._ranks).batched_tokens // prompt))
            for group in drivers
        }
        """Prompts of a chunk, by which group drives."""
        self._numbers = self._knots(groups)
        most = [one.layers for one in self._rooms]
        self.may_run = bool(self._numbers) and min(most) >= 1 and sum(most) >= clock.spec.layers
        """The memory of all groups together holds the model and a request."""
        self._caps: dict[float, list[int]] = {}
        self._shared: dict[Load, _Shared] = {}
        self._times_s: dict[int, float] = {}
        self._last = (0.0, 0.0)
        """(seconds, requests inside): the same time is asked for again and again."""

    def inside(self, time_s: float) -> float:
        """No copy answers more requests within the time."""
        if self._last[0] != time_s:
            self._last = time_s, self._inside(time_s)
        return self._last[1]

    def may_exceed(self, requests: float, time_s: float) -> bool:
        """Whether a copy might answer more than so many within the time; one look decides most cases."""
        if self._last[0] == time_s or not self.may_run:
            return self._last[1] > requests
        below = bisect_right(self._numbers, requests) - 1
        if self._at(max(0, below)) > time_s:
            return False
        return self.inside(time_s) > requests

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

    def _at(self, index: int) -> float:
        """Least seconds of a request with so many in the copy.

        Caches leave the fewer layers for a device the more requests run: where that keeps layers from the
        quickest devices, fewer requests at once and a queue may do better. Memory is that for the number before,
        so that what lies in between is covered.
        """
        known = self._times_s.get(index)
        if known is None:
            requests, fewer = self._numbers[index], self._numbers[max(0, index - 1)]
            known, binds = self._round_s(requests, self._caps_for(fewer))
            if index and binds:
                known = min(known, requests * self._at(index - 1) / fewer)
            self._times_s[index] = known
        return known

    def _caps_for(self, requests: float) -> list[int]:
        """Layers that each stage has memory for beside the caches of so many."""
        if requests not in self._caps:
            asked = self._clock.workload
            tokens = requests * (asked.prompt_tokens + asked.output_tokens / 2)
            self._caps[requests] = [room.layers_beside(one, tokens) for one in self._rooms]
        return self._caps[requests]

    def _round_s(self, requests: float, caps: Sequence[int]) -> tuple[float, bool]:
        """(least seconds in which so many are answered once, whether memory keeps layers from the quickest)."""
        decodes = self._clock.workload.output_tokens - 1
        least_s, any_binds = math.inf, False
        for chunk in self._chunks:
            largest = serving.largest_batch(len(self._paces), requests, int(chunk))
            decode, binds = self._step(Load(decode=True, sequences=largest), caps)
            together = min(requests, chunk)
            reading, _ = self._step(Load(decode=False, sequences=together), caps)
            round_s = reading.first_and_more_s(max(0.0, requests / together - 1))
            round_s += decodes * decode.between_s(requests / largest)
            least_s, any_binds = min(least_s, round_s), any_binds or binds
        return least_s, any_binds

    def _step(self, load: Load, caps: Sequence[int]) -> tuple[Step, bool]:
        """(what a step takes at least, whether memory binds)."""
        shared = self._shared.get(load)
        if shared is None:
            shared = self._shared[load] = self._share(load)
        ordered = [caps[index] for index in shared.order]
        if all(shared.even_s <= cap * one_s for cap, one_s in zip(ordered, shared.layer_s)):  # noqa: B905 - in a hot loop
            return shared.step, False
        busy_s = sharing.within_memory_s(shared.layers, shared.layer_s, ordered)
        return shared.step._replace(busy_s=max(shared.step.busy_s, busy_s)), True

    def _share(self, load: Load) -> _Shared:
        layers = self._clock.spec.layers
        times_s = [pace.at(load).layer_s for pace in self._paces]
        order = sorted(range(len(times_s)), key=times_s.__getitem__)
        layer_s = [times_s[index] for index in order]
        ends = [pace.at(load) for pace in self._lasts]
        counted = layers + min(end.head_s / end.layer_s for end in ends)
        besides_s, host_s = self._besides_s(load)
        besides_s += min(end.head_s for end in ends)
        even_s = sharing.even_s(counted, layer_s)
        most = [self._rooms[index].layers for index in order]
        step = Step(
            way_s=sharing.quickest_way_s(layers, layer_s, most) + besides_s,
            busy_s=max(even_s, sharing.whole_s(layers, layer_s), host_s),
            trades=[(busy, way + besides_s) for busy, way in sharing.trades(layers, layer_s)],
        )
        return _Shared(order, layer_s, counted, even_s, step)

    def _besides_s(self, load: Load) -> tuple[float, float]:
        """(seconds of hand-overs, the scheduler's messages and the host in a step, those of the host)."""
        host_s = min(one + (load.sequences - 1) * more for one, more in self._hosts)
        fixed_s, each_s = self._edges
        return fixed_s + self._clock.tokens(load) * each_s + self._stepping_s + host_s, host_s

    def _knots(self, groups: Sequence[Group]) -> list[float]:
        """Powers, what the caches of all groups together hold, and where a copy's own response bends."""
        asked = self._clock.workload
        most = float(max(engine_limits(group[0], self._ranks).sequences for group in groups))
        if asked.request_rate_per_s is None:
            most = min(most, float(asked.concurrent_requests))
        most = min(most, room.requests(self._clock.spec, asked, self._rooms))
        if most < 1:
            return []
        powers = range(math.ceil(math.log(most, _FINENESS)))
        return sorted(
            {most, *(_FINENESS**p for p in powers), *(min(most, chunk) for chunk in self._chunks)}
        )

    def _host_line(self, group: Group) -> tuple[float, float]:
        """(seconds for one sequence, for each further one)."""
        spec, driver = self._clock.spec, group[0]
        one, two = (step.host_seconds(spec, driver, self._ranks, n) for n in (1.0, 2.0))
        return one, two - one


class _Shared(NamedTuple):
    """Layers among the groups under one load, before memory is looked at."""

    order: list[int]
    """Of the groups, the quickest first, as in `layer_s`."""
    layer_s: list[float]
    layers: float
    """With the output head counted as a part of one."""
    even_s: float
    """Of each stage if all finish together."""
    step: Step


def _in_order(clock: Clock, groups: Sequence[Group]) -> tuple[float, float]:
    """Hand-overs of this order: (fixed seconds, seconds for each token)."""
    lines = [clock.edge(a, b) for a, b in pairwise(groups)]
    return sum(fixed for fixed, _ in lines), sum(each for _, each in lines)


def _in_any_order(clock: Clock, groups: Sequence[Group]) -> tuple[float, float]:
    """As many of the cheapest hand-overs as every order has."""
    far: list[tuple[float, float]] = []
    near: list[tuple[float, float]] = []
    for a, b in permutations(groups, 2):
        (near if a[0].node_id == b[0].node_id else far).append(clock.edge(a, b))
    crossings = len({group[0].node_id for group in groups}) - 1
    inner = len(groups) - 1 - crossings
    fixed_s = crossings * _least(far, 0) + inner * _least(near, 0)
    return fixed_s, crossings * _least(far, 1) + inner * _least(near, 1)


def _least(lines: Sequence[tuple[float, float]], part: int) -> float:
    return min((line[part] for line in lines), default=0.0)
