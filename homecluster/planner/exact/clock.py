"""What the parts of a copy take, each looked up after it was computed once: stages, hand-overs, memory."""

from __future__ import annotations

from collections.abc import Sequence

from homecluster.domain.hardware import Device, DType
from homecluster.domain.ids import DeviceId
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.workload import Serve
from homecluster.planner import network, step
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.exact.pace import Pace
from homecluster.planner.exact.pieces import Load, Pieces
from homecluster.planner.exact.room import Room, room_of
from homecluster.planner.memory import memory_use, minimum_kv_bytes
from homecluster.planner.network import Fabric
from homecluster.planner.step import Copy, Rank

Group = tuple[Device, ...]
"""The devices of one stage."""


class Clock:
    """Times and rooms of one model in one number format."""

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
        self._rooms: dict[tuple[tuple[DeviceId, ...], int], Room] = {}
        self._costs_s: dict[tuple[object, ...], float] = {}
        self._edges: dict[tuple[DeviceId, DeviceId], tuple[float, float]] = {}
        self._paces: dict[tuple[DeviceId, ...], Pace] = {}

    def tokens(self, load: Load) -> float:
        """That pass through the model in one step."""
        return load.sequences * (1 if load.decode else self.workload.prompt_tokens)

    def cache_tokens(self, group: Group, shard: Shard, ranks: int) -> int | None:
        """Tokens that the KV cache of every device holds; None where not even one request fits."""
        held = [self._on_device(device, shard, ranks) for device in group]
        known = [tokens for tokens in held if tokens is not None]
        return min(known) if len(known) == len(held) else None

    def _on_device(self, device: Device, shard: Shard, ranks: int) -> int | None:
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

    def pace(self, group: Group) -> Pace:
        """How long a layer takes on a group at least."""
        key = tuple(device.id for device in group)
        if key not in self._paces:
            self._paces[key] = Pace(group, self.pieces, self.inside_s)
        return self._paces[key]

    def edge(self, src: Group, dst: Group) -> tuple[float, float]:
        """What one stage's hand-over to the next costs: (fixed seconds, seconds for each token)."""
        key = src[0].id, dst[0].id
        if key not in self._edges:
            copy = self._copy([src, dst])
            fixed_s, one_s = (step.hand_overs(copy, tokens=n)[0].total_s for n in (0.0, 1.0))
            self._edges[key] = fixed_s, one_s - fixed_s
        return self._edges[key]

    def inside_s(self, group: Group, shard: Shard, load: Load) -> float:
        """What a stage's tensor parallel sends in a step."""
        if len(group) == 1:
            return 0.0
        key = tuple(device.id for device in group), shard, load
        if key not in self._costs_s:
            rank = Rank(shard=shard, devices=group)
            self._costs_s[key] = step.stage_messages(
                self._copy([group]), rank, tokens=self.tokens(load), sampled=load.sequences
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

    def _copy(self, groups: Sequence[Group]) -> Copy:
        """One layer on each: what messages cost does not depend on more."""
        last = len(groups) - 1
        stages = tuple(
            Rank(
                shard=Shard(
                    layers=1, first=index == 0, last=index == last, tensor_parallel=len(group)
                ),
                devices=group,
            )
            for index, group in enumerate(groups)
        )
        return Copy(
            spec=self.spec,
            dtype=self.dtype,
            stages=stages,
            fabric=self.fabric,
            small_collectives=self.small_collectives,
        )
