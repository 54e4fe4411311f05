"""What small collectives cost when every rank sends its part to all others at once, with no word before it.

docs/faster-links.md shows the messages. Half a round trip, where gloo's all-reduce takes two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Protocol

from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.small_collectives import (
    GATHER_LIMIT_BYTES,
    MOST_RANKS,
    SmallCollectives,
    all_reduce_limit_bytes,
)
from homecluster.planner import network, priors
from homecluster.planner.network import Cost, Fabric


def is_offered(group: Sequence[Device]) -> bool:
    """CPU ranks on several PCs, few enough; on GPUs it was never measured to win."""
    return (
        group[0].kind is DeviceKind.CPU
        and 1 < len(group) <= MOST_RANKS
        and network.crosses_network(group)
    )


def all_reduce(fabric: Fabric, group: Sequence[Device], message_bytes: float) -> Cost:
    """By exchange where the message is small, else as the engine does it."""
    if not is_offered(group) or message_bytes > all_reduce_limit_bytes(len(group)):
        return network.all_reduce(fabric, group, message_bytes)
    return one_shot(fabric, group, message_bytes)


def gather(fabric: Fabric, group: Sequence[Device], bytes_per_rank: float) -> Cost:
    """The logits of all ranks on all ranks, as vLLM asks for them."""
    if not is_offered(group) or bytes_per_rank > GATHER_LIMIT_BYTES:
        return network.gather(fabric, group, bytes_per_rank)
    return one_shot(fabric, group, bytes_per_rank)


def one_shot(fabric: Fabric, group: Sequence[Device], message_bytes: float) -> Cost:
    """Until the slowest direction has brought its part.

    Every rank sends n - 1 copies through its own connection to the network; those on one medium wait
    for one another. A measured exchange of two parties beats what latency and bandwidth imply.
    """
    if len(group) == 1:
        return Cost()
    edges = [
        (a.node_id, fabric.hop(a.node_id, b.node_id))
        for a, b in permutations(group, 2)
        if a.node_id != b.node_id
    ]
    if not edges:
        return Cost()
    launch_s = priors.EXCHANGE_LAUNCH_S
    measured = [hop.exchange for _, hop in edges]
    if all(measured):
        sent = (len(group) - 1) * message_bytes
        slowest = max(measured, key=lambda curve: network.interpolate(curve, sent))
        whole_s = network.interpolate(slowest, sent)
        waiting_s = min(slowest[0][1], whole_s)
        return Cost(latency_s=waiting_s + launch_s, transfer_s=whole_s - waiting_s)
    busy_s: defaultdict[str, float] = defaultdict(float)
    for sender, hop in edges:
        way = f"from {sender}" if hop.medium is None else f"over {hop.medium}"
        busy_s[way] += message_bytes / hop.bandwidth_bytes_per_s
    return Cost(
        latency_s=max(hop.latency_s for _, hop in edges) + launch_s,
        transfer_s=max(busy_s.values()),
    )


class _Copy(Protocol):
    """Of planner.step, which imports this file."""

    @property
    def small_collectives(self) -> SmallCollectives: ...
    @property
    def groups(self) -> tuple[tuple[Device, ...], ...]: ...


def choice(copies: Iterable[_Copy]) -> SmallCollectives:
    """What a layout of these copies says of itself."""
    used = any(
        copy.small_collectives is SmallCollectives.EXCHANGE and any(map(is_offered, copy.groups))
        for copy in copies
    )
    return SmallCollectives.EXCHANGE if used else SmallCollectives.ENGINE
