"""How many layers a group of devices has memory for, and how many requests several groups together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.workload import Serve
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.memory import memory_use, minimum_kv_bytes


class Room(NamedTuple):
    """Of the tightest device of a group; layers and bytes are those of a middle stage."""

    layers: int
    """At most so many, beside the cache of one request."""
    free_bytes: float
    """For layers and caches; infinite on CPUs, whose caches are cut to what is asked."""
    layer_bytes: float
    token_bytes: float
    """KV cache of a token in one layer."""
    first_bytes: float
    """What the embeddings take more on the first stage."""
    last_bytes: float
    """What the output head takes more on the last."""

    def ends_layers(self, tokens: float) -> tuple[int, int]:
        """Layers for which the first and the last stage lack the room therefore, beside caches of so many tokens."""
        each = self.layer_bytes + tokens * self.token_bytes
        return math.ceil(self.first_bytes / each), math.ceil(self.last_bytes / each)


def room_of(
    spec: ModelSpec, group: Sequence[Device], dtype: DType, workload: Serve, ranks: int
) -> Room:
    """Bytes grow by the same amount with every layer, so that two looks at each device tell all."""

    def left(device: Device, layers: int, *, first: bool = False, last: bool = False) -> int:
        """Bytes left for caches."""
        shard = Shard(layers=layers, first=first, last=last, tensor_parallel=len(group))
        return memory_use(spec, shard, device, dtype, workload, world_size=ranks).kv_cache_bytes

    def on(device: Device) -> Room:
        one = left(device, 1)
        if device.kind is DeviceKind.CPU:
            return Room(spec.layers if one >= needed else 0, math.inf, 0.0, token_bytes, 0.0, 0.0)
        layer_bytes = one - left(device, 2)
        layers = 0 if one < needed else 1 + (one - needed) // (layer_bytes + needed)
        return Room(
            layers=layers,
            free_bytes=one + layer_bytes,
            layer_bytes=layer_bytes,
            token_bytes=token_bytes,
            first_bytes=one - left(device, 1, first=True),
            last_bytes=one - left(device, 1, last=True),
        )

    middle = Shard(layers=1, first=False, last=False, tensor_parallel=len(group))
    token_bytes = kv_bytes_per_token(spec, middle, dtype)
    needed = minimum_kv_bytes(spec, middle, dtype, workload)
    rooms = [on(device) for device in group]
    return Room(
        layers=min(one.layers for one in rooms),
        free_bytes=min(one.free_bytes for one in rooms),
        layer_bytes=rooms[0].layer_bytes,
        token_bytes=token_bytes,
        first_bytes=min(one.first_bytes for one in rooms),
        last_bytes=min(one.last_bytes for one in rooms),
    )


def layers_beside(room: Room, tokens: float) -> int:
    """Layers that fit beside a cache of so many tokens in each; at least what one request leaves."""
    if room.free_bytes == math.inf:
        return room.layers
    return min(room.layers, int(room.free_bytes // (room.layer_bytes + tokens * room.token_bytes)))


def requests(spec: ModelSpec, workload: Serve, rooms: Sequence[Room]) -> float:
    """At most so many run at once in a copy over these groups: weights and caches of all layers are on some of them.

    With M the free bytes of all groups, w a layer's weights and c a token's cache in a layer: M >= L (w + c tokens).
    """
    layer_bytes, token_bytes = rooms[0].layer_bytes, rooms[0].token_bytes
    held = sum(one.free_bytes for one in rooms) - spec.layers * layer_bytes
    tokens = (held - min(one.first_bytes + one.last_bytes for one in rooms)) / (
        spec.layers * token_bytes
    )
    if tokens < workload.context_tokens:
        return 0.0
    if tokens == math.inf:
        return math.inf
    return float(max(1, math.floor(tokens / (workload.prompt_tokens + workload.output_tokens / 2))))
