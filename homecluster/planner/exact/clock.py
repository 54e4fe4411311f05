"""How long a request takes in a copy that is only a choice of groups and layers: the estimate without its explanation.

The same formulas as `planner.serving`, from looked-up pieces; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from homecluster.domain.hardware import Device, DType
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.workload import Serve
from homecluster.planner import network, serving, step
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.exact.pieces import Load, Pieces
from homecluster.planner.exact.room import Room, room_of
from homecluster.planner.load import Response, response
from homecluster.planner.memory import engine_limits, memory_use, minimum_kv_bytes
from homecluster.planner.network import Fabric
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
        self._costs_s: dict[tuple[object, ...], float] = {}
        self._edges: dict[tuple[DeviceId, DeviceId], tuple[float, float]] = {}
        self._links_s: dict[tuple[NodeId, ...], float] = {}
        self._rooms: dict[tuple[tuple[DeviceId, ...], int], Room] = {}
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

    def room(self, group: Group, ranks: int) -> Room:
        """What a stage on these devices has memory for, in a copy of so many ranks."""
        key = tuple(device.id for device in group), ranks
        if key not in self._rooms:
            self._rooms[key] = room_of(self.spec, group, self.dtype, self.workload, ranks)
        return self._rooms[key]

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
            stage_s = device_s + self.inside_s(group, shard, tokens, load.sequences)
            busiest_s = max(busiest_s, stage_s)
            way_s += stage_s
            if index:
                fixed_s, each_s = self.edge(groups[index - 1], group)
                way_s += fixed_s + tokens * each_s
        way_s += self.stepping_s(groups)
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
        return way_s, max(busiest_s, host_s, tokens * self._link_s_per_token(groups))

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
            sent_s = self.inside_s(group, middle, tokens, load.sequences)
            gathered_s = self.inside_s(group, last, tokens, load.sequences) - sent_s
            line = self.pieces.line(slowest, last, load)
            self._least_s[key] = line.slope_s + sent_s, line.fixed_s + max(0.0, gathered_s)
        return self._least_s[key]

    def _tokens(self, load: Load) -> float:
        return load.sequences * (1 if load.decode else self.workload.prompt_tokens)

    def edge(self, src: Group, dst: Group) -> tuple[float, float]:
        """What one stage's hand-over to the next costs: (fixed seconds, seconds for each token)."""
        key = src[0].id, dst[0].id
        if key not in self._edges:
            copy = self._copy([src, dst], [1, 1])
            fixed_s, one_s = (step.hand_overs(copy, tokens=n)[0].total_s for n in (0.0, 1.0))
            self._edges[key] = fixed_s, one_s - fixed_s
        return self._edges[key]

    def _link_s_per_token(self, groups: Sequence[Group]) -> float:
        """How long each token's hand-overs keep the busiest link."""
        key = tuple(group[0].node_id for group in groups)
        if key not in self._links_s:
            self._links_s[key] = step.busiest_link_s(
                self.fabric, self.spec, self.dtype, groups, tokens=1.0
            )
        return self._links_s[key]

    def inside_s(self, group: Group, shard: Shard, tokens: float, sampled: float) -> float:
        """What a stage's tensor parallel sends in a step."""
        if len(group) == 1:
            return 0.0
        key = tuple(device.id for device in group), shard, tokens, sampled
        if key not in self._costs_s:
            rank = Rank(shard=shard, devices=group)
            self._costs_s[key] = step.stage_messages(
                self._copy([group], [1]), rank, tokens=tokens, sampled=sampled
            ).total_s
        return self._costs_s[key]

    def stepping_s(self, groups: Sequence[Group]) -> float:
        """What the scheduler sends in a step; the first group drives."""
        nodes = [device.node_id for group in groups for device in group]
        others = frozenset(nodes)
        if len(others) == 1:
            return 0.0
        key = nodes[0], others, len(groups) > 1
        if key not in self._costs_s:
            devices = [device for group in groups for device in group]
            self._costs_s[key] = network.step_messages(
                self.fabric, devices[0], devices, pipeline=len(groups) > 1
            ).total_s
        return self._costs_s[key]

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
