"""How long a request takes in a copy that is only a choice of groups and layers: the estimate without its explanation.

The same formulas as `planner.serving`, from looked-up pieces; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from homecluster.domain.hardware import Device, DType
from homecluster.domain.ids import DeviceId
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.workload import Serve
from homecluster.planner import network, serving, step
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.exact.pieces import Load, Pieces
from homecluster.planner.load import Response, response
from homecluster.planner.memory import engine_limits, memory_use, minimum_kv_bytes
from homecluster.planner.network import Cost, Fabric
from homecluster.planner.step import Copy, Rank

Group = tuple[Device, ...]
"""The devices of one stage."""


class Clock:
    """Times of copies of one model in one number format; every piece is computed once."""

    def __init__(
        self,
        spec: ModelSpec,
        dtype: DType,
        workload: Serve,
        fabric: Fabric,
        small_collectives: SmallCollectives = SmallCollectives.EXCHANGE,
    ) -> None:
        self.spec, self.dtype, self.workload, self.fabric = spec, dtype, workload, fabric
        self.small_collectives = small_collectives
        self.pieces = Pieces(spec, dtype, workload)
        self.asked = 0
        """Copies timed so far: what a search has cost."""
        self._cache_tokens: dict[tuple[DeviceId, Shard, int], int | None] = {}
        self._costs: dict[tuple[object, ...], Cost] = {}
        self._least_s: dict[tuple[tuple[DeviceId, ...], Load], tuple[float, float]] = {}

    def response(self, groups: Sequence[Group], counts: Sequence[int]) -> Response | None:
        """None where a device lacks the memory for its share and one request."""
        self.asked += 1
        shards = shards_of(groups, counts)
        tokens = self._least_cache(groups, shards)
        if tokens is None:
            return None
        ranks = sum(map(len, groups))
        driver = groups[0][0]
        return response(
            [
                (held, held * self._round_s(groups, shards, inside) / inside)
                for held in serving.knots(driver, ranks, self.workload, tokens)
                for inside in [serving.running(driver, ranks, self.workload, held, tokens)]
            ]
        )

    def time_s(self, groups: Sequence[Group], counts: Sequence[int], requests: float) -> float:
        """Seconds of a request with so many in the copy; infinite where memory is short."""
        self.asked += 1
        shards = shards_of(groups, counts)
        tokens = self._least_cache(groups, shards)
        if tokens is None:
            return math.inf
        ranks = sum(map(len, groups))
        inside = serving.running(groups[0][0], ranks, self.workload, requests, tokens)
        return requests * self._round_s(groups, shards, inside) / inside

    def _least_cache(self, groups: Sequence[Group], shards: Sequence[Shard]) -> int | None:
        ranks = sum(map(len, groups))
        least: int | None = None
        for group, shard in zip(groups, shards, strict=True):
            for device in group:
                held = self.cache_tokens(device, shard, ranks)
                if held is None:
                    return None
                least = held if least is None else min(least, held)
        return least

    def cache_tokens(self, device: Device, shard: Shard, ranks: int) -> int | None:
        """Tokens that the device's KV cache holds; None where not even one request fits."""
        key = device.id, shard, ranks
        if key not in self._cache_tokens:
            use = memory_use(self.spec, shard, device, self.dtype, self.workload, world_size=ranks)
            needed = minimum_kv_bytes(self.spec, shard, self.dtype, self.workload)
            fits = use.kv_cache_bytes >= needed
            each = kv_bytes_per_token(self.spec, shard, self.dtype)
            self._cache_tokens[key] = use.kv_cache_bytes // each if fits else None
        return self._cache_tokens[key]

    def _round_s(self, groups: Sequence[Group], shards: Sequence[Shard], inside: float) -> float:
        """The time in which every running request is answered once."""
        asked = self.workload
        flights = min(float(len(groups)), inside)
        way_s, busy_s = self.step_s(groups, shards, Load(decode=True, sequences=inside / flights))
        limit = engine_limits(groups[0][0], sum(map(len, groups))).batched_tokens
        together = min(inside, max(1, limit // asked.prompt_tokens))
        read_s, reading_s = self.step_s(groups, shards, Load(decode=False, sequences=together))
        decodes = asked.output_tokens - 1
        prompts_s = read_s + reading_s * (inside / together - 1)
        return prompts_s + decodes * max(way_s, flights * busy_s)

    def step_s(
        self, groups: Sequence[Group], shards: Sequence[Shard], load: Load
    ) -> tuple[float, float]:
        """(seconds on the way through all stages, seconds the busiest stage or the host is taken)."""
        tokens = self._tokens(load)
        way_s = busiest_s = 0.0
        for index, (group, shard) in enumerate(zip(groups, shards, strict=True)):
            device_s = max(self.pieces.seconds(device, shard, load) for device in group)
            stage_s = device_s + self.inside(group, shard, tokens, load.sequences).total_s
            busiest_s = max(busiest_s, stage_s)
            way_s += stage_s
            if index:
                way_s += self.between(groups[index - 1], group, tokens).total_s
        way_s += self.stepping(groups).total_s
        driver, ranks = groups[0][0], sum(map(len, groups))
        way_s += step.shown_host_seconds(
            self.spec,
            driver,
            ranks=ranks,
            stages=len(groups),
            sequences=load.sequences,
            device_s=way_s,
        )
        host_s = step.host_seconds(self.spec, driver, ranks, load.sequences)
        if len(groups) == 1:
            return way_s, way_s
        link_s = step.busiest_link_s(self.fabric, self.spec, self.dtype, groups, tokens=tokens)
        return way_s, max(busiest_s, host_s, link_s)

    def least_s(self, group: Group, load: Load) -> tuple[float, float]:
        """(seconds that each layer adds to a group's stage at least, and the output head there).

        A group's layer is as slow as its slowest device's; the head counts what that device takes for it.
        """
        key = tuple(device.id for device in group), load
        if key not in self._least_s:
            middle, last = (
                Shard(layers=1, first=False, last=is_last, tensor_parallel=len(group))
                for is_last in (False, True)
            )
            slowest = max(group, key=lambda one: self.pieces.line(one, last, load).slope_s)
            tokens = self._tokens(load)
            sent_s = self.inside(group, middle, tokens, load.sequences).total_s
            gathered_s = self.inside(group, last, tokens, load.sequences).total_s - sent_s
            line = self.pieces.line(slowest, last, load)
            self._least_s[key] = line.slope_s + sent_s, line.fixed_s + max(0.0, gathered_s)
        return self._least_s[key]

    def _tokens(self, load: Load) -> float:
        return load.sequences * (1 if load.decode else self.workload.prompt_tokens)

    def between(self, src: Group, dst: Group, tokens: float) -> Cost:
        """What one stage's hand-over to the next costs."""
        key = src[0].id, dst[0].id, tokens
        if key not in self._costs:
            self._costs[key] = step.hand_overs(self._copy([src, dst], [1, 1]), tokens=tokens)[0]
        return self._costs[key]

    def inside(self, group: Group, shard: Shard, tokens: float, sampled: float) -> Cost:
        """What a stage's tensor parallel sends in a step."""
        if len(group) == 1:
            return Cost()
        ids = tuple(device.id for device in group)
        key = ids, shard, tokens, sampled
        if key not in self._costs:
            rank = Rank(shard=shard, devices=group)
            self._costs[key] = step.stage_messages(
                self._copy([group], [1]), rank, tokens=tokens, sampled=sampled
            )
        return self._costs[key]

    def stepping(self, groups: Sequence[Group]) -> Cost:
        """What the scheduler sends in a step; the first group drives."""
        nodes = tuple(dict.fromkeys(device.node_id for group in groups for device in group))
        if len(nodes) == 1:
            return Cost()
        key = nodes[0], frozenset(nodes), len(groups) > 1
        if key not in self._costs:
            devices = [device for group in groups for device in group]
            self._costs[key] = network.step_messages(
                self.fabric, devices[0], devices, pipeline=len(groups) > 1
            )
        return self._costs[key]

    def _copy(self, groups: Sequence[Group], counts: Sequence[int]) -> Copy:
        stages = tuple(
            Rank(shard=shard, devices=group)
            for group, shard in zip(groups, shards_of(groups, counts), strict=True)
        )
        return Copy(
            spec=self.spec,
            dtype=self.dtype,
            stages=stages,
            fabric=self.fabric,
            small_collectives=self.small_collectives,
        )


def shards_of(groups: Sequence[Group], counts: Sequence[int]) -> list[Shard]:
    """What each stage's ranks hold."""
    last = len(groups) - 1
    return [
        Shard(
            layers=count,
            first=index == 0,
            last=index == last,
            tensor_parallel=len(group),
        )
        for index, (group, count) in enumerate(zip(groups, counts, strict=True))
    ]
