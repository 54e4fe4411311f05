"""How long a request takes in a copy whose groups stand in one order, for any cut of the layers.

The same formulas as `planner.serving`, from looked-up pieces and without the explanation; tests hold the two together.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from homecluster.planner import serving, step
from homecluster.planner.compute import Shard
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.pieces import Line, Load
from homecluster.planner.load import Response, response
from homecluster.planner.step import Rank


class _Stage(NamedTuple):
    """Under one load, whatever the number of its layers."""

    lines: tuple[Line, ...]
    """One for each device."""
    sent_s: float
    """What its tensor parallel sends with one layer."""
    sent_more_s: float
    host_s: float
    """That a step takes of it besides computing and sending; a pipeline's next step waits for it."""

    def seconds(self, layers: int) -> float:
        sent_s = self.sent_s + (layers - 1) * self.sent_more_s
        if len(self.lines) == 1:
            return self.lines[0].seconds(layers) + sent_s
        return max(line.seconds(layers) for line in self.lines) + sent_s


class _Fixed(NamedTuple):
    """Of a step, whatever the cut of the layers."""

    messages_s: float
    host_s: float
    link_s: float
    """How long the busiest link is taken."""


class Order:
    """Groups that are the stages of one copy, the first of which drives."""

    def __init__(self, clock: Clock, groups: Sequence[Group]) -> None:
        self.clock, self.groups = clock, tuple(groups)
        self._driver, self._ranks = groups[0][0], sum(map(len, groups))
        self._chunk = serving.chunk_of(self._driver, self._ranks, clock.workload)
        lines = [clock.edge(a, b) for a, b in pairwise(groups)]
        self._edges_s = sum(fixed for fixed, _ in lines), sum(each for _, each in lines)
        self._link_s = 0.0
        """That a token keeps the busiest link."""
        if len(groups) > 1:
            self._link_s = step.busiest_link_s(
                clock.fabric, clock.spec, clock.dtype, self.groups, tokens=1.0
            )
        self._loads: dict[Load, tuple[list[_Stage], _Fixed]] = {}
        self._tokens: dict[tuple[int, int], int | None] = {}
        self._shards = [
            (self._shard(index, 1), self._shard(index, 2)) for index in range(len(groups))
        ]

    def response(self, counts: Sequence[int]) -> Response | None:
        """None where a device lacks the memory for its share and one request."""
        self.clock.asked += 1
        tokens = self._cache_tokens(counts)
        if tokens is None:
            return None
        asked = self.clock.workload
        return response(
            [
                (held, held * self._round_s(counts, inside) / inside)
                for held in serving.knots(self._driver, self._ranks, asked, tokens)
                for inside in [serving.running(self._driver, self._ranks, asked, held, tokens)]
            ]
        )

    def time_s(self, counts: Sequence[int], requests: float) -> float:
        """Seconds of a request with so many in the copy; infinite where memory is short."""
        self.clock.asked += 1
        tokens = self._cache_tokens(counts)
        if tokens is None:
            return math.inf
        asked = self.clock.workload
        inside = serving.running(self._driver, self._ranks, asked, requests, tokens)
        return requests * self._round_s(counts, inside) / inside

    def most_layers(self, requests: float, time_s: float) -> list[int]:
        """Of each stage of several: with more it lacks memory, or takes so long that no request is answered in time."""
        most = []
        for index, group in enumerate(self.groups):
            room = self.clock.room(group, self._ranks)
            layers = range(1, min(room.layers, self.clock.spec.layers) + 1)
            alone = partial(self._alone_s, index, requests)
            most.append(bisect_right(layers, time_s, key=alone))
        return most

    def _alone_s(self, index: int, requests: float, layers: int) -> float:
        """Seconds of a request if one stage never waited, its cache the smallest, and the others the quickest."""
        tokens = self._held(index, layers)
        if tokens is None:
            return math.inf
        asked = self.clock.workload
        inside = serving.running(self._driver, self._ranks, asked, requests, tokens)
        decode, prefill = self._loads_of(inside)
        decode_s, decode_way_s = self._least_way_s(index, layers, decode)
        prefill_s, prefill_way_s = self._least_way_s(index, layers, prefill)
        prompts_s = prefill_way_s + (inside / prefill.sequences - 1) * prefill_s
        step_s = max(decode_way_s, inside / decode.sequences * decode_s)
        return requests * (prompts_s + (asked.output_tokens - 1) * step_s) / inside

    def _least_way_s(self, index: int, layers: int, load: Load) -> tuple[float, float]:
        """(seconds of one stage, of the way with all other layers on the quickest of the others)."""
        stages, fixed = self._at(load)
        taken_s = stages[index].seconds(layers)
        others = [stage.lines[0].slope_s for i, stage in enumerate(stages) if i != index]
        rest_s = (self.clock.spec.layers - layers) * min(others, default=0.0)
        return taken_s, taken_s + rest_s + fixed.messages_s + fixed.host_s

    def _loads_of(self, inside: float) -> tuple[Load, Load]:
        """The largest decode batch, and the prompts that are read together."""
        return (
            Load(
                decode=True,
                sequences=serving.largest_batch(len(self.groups), inside, self._chunk),
            ),
            Load(decode=False, sequences=min(inside, self._chunk)),
        )

    def _held(self, index: int, layers: int) -> int | None:
        """Tokens in the cache of a stage's fullest device."""
        key = index, layers
        if key not in self._tokens:
            shard = self._shard(index, layers)
            self._tokens[key] = self.clock.cache_tokens(self.groups[index], shard, self._ranks)
        return self._tokens[key]

    def _cache_tokens(self, counts: Sequence[int]) -> int | None:
        """What the fullest device's cache holds."""
        least: int | None = None
        for index, count in enumerate(counts):
            held = self._held(index, count)
            if held is None:
                return None
            least = held if least is None else min(least, held)
        return least

    def _round_s(self, counts: Sequence[int], inside: float) -> float:
        """The time in which every running request is answered once."""
        decode, prefill = self._loads_of(inside)
        way_s, busy_s = self._step_s(counts, decode)
        decodes = self.clock.workload.output_tokens - 1
        if len(counts) == 1:
            return self._read_s(counts, inside) + decodes * way_s
        read_s, reading_s = self._step_s(counts, prefill)
        prompts_s = read_s + reading_s * (inside / prefill.sequences - 1)
        return prompts_s + decodes * max(way_s, inside / decode.sequences * busy_s)

    def _read_s(self, counts: Sequence[int], inside: float) -> float:
        """Of a single stage: the first request's prompt in a step of its own, then the others'."""
        others, together = serving.after_the_first(inside, self._chunk)
        first_s, _ = self._step_s(counts, Load(decode=False, sequences=1.0))
        next_s, _ = self._step_s(counts, Load(decode=False, sequences=together))
        return first_s + next_s * others / together

    def _step_s(self, counts: Sequence[int], load: Load) -> tuple[float, float]:
        """(seconds on the way through all stages, seconds the busiest stage or the host is taken)."""
        stages, fixed = self._at(load)
        taken_s = [stage.seconds(count) for stage, count in zip(stages, counts, strict=True)]
        way_s = sum(taken_s) + fixed.messages_s
        if len(counts) > 1:
            busy_s = [took_s + stage.host_s for stage, took_s in zip(stages, taken_s, strict=True)]
            return way_s + fixed.host_s, max(fixed.host_s, fixed.link_s, *busy_s)
        way_s += step.shown_host_seconds(
            self.clock.spec,
            self._driver,
            ranks=self._ranks,
            stages=1,
            sequences=load.sequences,
            device_s=way_s,
        )
        return way_s, way_s

    def _at(self, load: Load) -> tuple[list[_Stage], _Fixed]:
        known = self._loads.get(load)
        if known is None:
            known = self._loads[load] = self._stages(load), self._fixed(load)
        return known

    def _stages(self, load: Load) -> list[_Stage]:
        clock, made = self.clock, []
        for index, group in enumerate(self.groups):
            one, two = self._shards[index]
            sent_s = clock.inside_s(group, one, load)
            made.append(
                _Stage(
                    lines=tuple(clock.pieces.line(device, one, load) for device in group),
                    sent_s=sent_s,
                    sent_more_s=clock.inside_s(group, two, load) - sent_s,
                    host_s=step.stage_host_seconds(
                        clock.spec, Rank(shard=one, devices=group), sequences=load.sequences
                    ),
                )
            )
        return made

    def _fixed(self, load: Load) -> _Fixed:
        clock, tokens = self.clock, self.clock.tokens(load)
        fixed_s, each_s = self._edges_s
        host_s = step.host_seconds(clock.spec, self._driver, self._ranks, load.sequences)
        messages_s = fixed_s + tokens * each_s + clock.stepping_s(self.groups)
        return _Fixed(messages_s, host_s, tokens * self._link_s)

    def _shard(self, index: int, layers: int) -> Shard:
        """What each rank of a stage holds."""
        return Shard(
            layers=layers,
            first=index == 0,
            last=index == len(self.groups) - 1,
            tensor_parallel=len(self.groups[index]),
        )
