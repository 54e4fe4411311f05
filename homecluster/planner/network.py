"""What messages between devices cost, split into waiting (latency) and bytes (transfer)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from homecluster.domain.hardware import Device, DeviceKind, Provenance
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster, Curve
from homecluster.planner import priors


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One direction between two devices."""

    latency_s: float
    """What one small message waits on average: half the round trip, and its share of jitter and loss."""
    bandwidth_bytes_per_s: float
    medium: str | None
    local: bool
    """Inside one PC."""
    all_reduce: Curve
    exchange: Curve
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of waiting and of moving bytes."""

    latency_s: float = 0.0
    transfer_s: float = 0.0

    def plus(self, other: Cost) -> Cost:
        return Cost(
            latency_s=self.latency_s + other.latency_s,
            transfer_s=self.transfer_s + other.transfer_s,
        )

    def times(self, count: float) -> Cost:
        return Cost(latency_s=self.latency_s * count, transfer_s=self.transfer_s * count)

    @property
    def total_s(self) -> float:
        return self.latency_s + self.transfer_s


class Fabric:
    """Every directed hop of a cluster, looked up once."""

    def __init__(self, cluster: Cluster) -> None:
        self._hops: dict[tuple[NodeId, NodeId], Hop] = {}
        for link in cluster.links:
            waiting = (
                link.latency_s
                + priors.PAIR_JITTER * link.jitter_s
                + link.loss_ratio * (priors.RETRANSMISSION_TIMEOUT_S + link.rtt_s)
            )
            self._hops[link.src, link.dst] = Hop(
                latency_s=waiting,
                bandwidth_bytes_per_s=link.bandwidth_bytes_per_s,
                medium=link.medium,
                local=False,
                all_reduce=link.all_reduce,
                exchange=link.exchange,
                provenance=link.provenance,
            )
        for node in cluster.nodes:
            inner = node.interconnect
            self._hops[node.id, node.id] = Hop(
                latency_s=(inner.rtt_s if inner else priors.PCIE_RTT_S) / 2,
                bandwidth_bytes_per_s=inner.bandwidth_bytes_per_s
                if inner
                else priors.PCIE_BANDWIDTH_BYTES_PER_S,
                medium=None,
                local=True,
                all_reduce=(),
                exchange=(),
                provenance=inner.provenance if inner else Provenance.ASSUMED,
            )

    def hop(self, src: NodeId, dst: NodeId) -> Hop:
        return self._hops[src, dst]

    def least_message_s(self) -> float:
        """What the quickest message between any two PCs takes at least; 0 where no link is known."""
        return min(
            (
                min([hop.latency_s, *(seconds / 2 for _, seconds in hop.all_reduce)])
                for hop in self._hops.values()
                if not hop.local
            ),
            default=0.0,
        )

    def least_byte_s(self) -> float:
        """What a byte takes on the fastest link between any two PCs; 0 where none is known."""
        rates = [hop.bandwidth_bytes_per_s for hop in self._hops.values() if not hop.local]
        return 1 / max(rates) if rates else 0.0

    def has_curves(self) -> bool:
        """Some link's collectives were measured, and may beat what its latency and bandwidth imply."""
        return any(hop.all_reduce or hop.exchange for hop in self._hops.values())

    def knows(self, nodes: Sequence[NodeId]) -> bool:
        """Both directions between all of these PCs are known."""
        return all((a, b) in self._hops for a in nodes for b in nodes)

    def round_trip(self, a: NodeId, b: NodeId) -> float:
        return self.hop(a, b).latency_s + self.hop(b, a).latency_s


def all_reduce(fabric: Fabric, group: Sequence[Device], message_bytes: float) -> Cost:
    """A ring all-reduce of `message_bytes` over `group`.

    Latency: 2(n-1)/n turns of the ring (NCCL; gloo twice that). Bytes: each directed edge carries
    2(n-1)/n messages; edges that share a medium wait for one another. A measured curve of the
    engine's own all-reduce beats both.
    """
    n = len(group)
    if n == 1:
        return Cost()
    kind = group[0].kind
    edges = [fabric.hop(a.node_id, b.node_id) for a, b in _ring(group)]
    curve = _slowest_curve(edges, message_bytes)
    if curve is not None:
        pair = _along_curve(curve, 2 * message_bytes / n)
        return replace(pair, transfer_s=pair.transfer_s * _crowding(edges)).times(n - 1)
    turns = 2 * (n - 1) / n * priors.ALL_REDUCE_RING_TURNS[kind]
    per_edge = 2 * (n - 1) / n * message_bytes
    return Cost(
        latency_s=turns * sum(edge.latency_s for edge in edges) + priors.COLLECTIVE_LAUNCH_S[kind],
        transfer_s=_transfer_s(edges, per_edge),
    )


def gather(fabric: Fabric, group: Sequence[Device], bytes_per_rank: float) -> Cost:
    """Every rank's `bytes_per_rank` go around the ring to all others: vLLM 0.32 wants the logits on each."""
    if len(group) == 1:
        return Cost()
    first, others = group[0], group[1:]
    trips = max(fabric.round_trip(first.node_id, other.node_id) for other in others)
    edges = [fabric.hop(a.node_id, b.node_id) for a, b in _ring(group)]
    return Cost(
        latency_s=priors.GATHER_ROUND_TRIPS[first.kind] * trips
        + priors.COLLECTIVE_LAUNCH_S[first.kind],
        transfer_s=_transfer_s(edges, bytes_per_rank * len(others)),
    )


def handover(
    fabric: Fabric, src: Sequence[Device], dst: Sequence[Device], payload_bytes: float
) -> Cost:
    """A pipeline stage passes `payload_bytes` to the next; each rank of a tensor-parallel stage sends its share.

    A CPU prepares its stage's step once it knows the tensors' shapes, while the tensors are under way (vLLM
    0.32, v1/worker/gpu_worker.py, execute_model): of its overhead a token waits for what they do not hide.
    """
    a, b = src[0], dst[0]
    hop = fabric.hop(a.node_id, b.node_id)
    rtt_s = fabric.round_trip(a.node_id, b.node_id)
    trips_s = priors.HANDOVER_ROUND_TRIPS[a.kind] * rtt_s
    preparing_s = 0.0
    if b.kind is DeviceKind.CPU:
        hidden_s = priors.HANDOVER_TENSOR_ROUND_TRIPS * rtt_s
        preparing_s = max(0.0, b.step_overhead_s - hidden_s)
    return Cost(
        latency_s=trips_s + priors.COLLECTIVE_LAUNCH_S[a.kind] + preparing_s,
        transfer_s=payload_bytes / hop.bandwidth_bytes_per_s,
    )


def busiest_link_s(
    fabric: Fabric, ways: Sequence[tuple[NodeId, NodeId]], payload_bytes: float
) -> float:
    """Seconds that hand-overs keep the busiest link or medium: a following step must wait so long for it."""
    hops = [fabric.hop(src, dst) for src, dst in ways]
    return _transfer_s([hop for hop in hops if not hop.local], payload_bytes)


def step_messages(
    fabric: Fabric, driver: Device, others: Sequence[Device], *, pipeline: bool
) -> Cost:
    """The scheduler's output to the other PCs and their answers: once per step, nothing inside one PC."""
    remote = [other for other in others if other.node_id != driver.node_id]
    if not remote:
        return Cost()
    trips = priors.STEP_ROUND_TRIPS["pipeline" if pipeline else "tensor"]
    return Cost(
        latency_s=trips * max(fabric.round_trip(driver.node_id, other.node_id) for other in remote),
        transfer_s=max(
            priors.STEP_MESSAGE_BYTES
            / fabric.hop(driver.node_id, other.node_id).bandwidth_bytes_per_s
            for other in remote
        ),
    )


def crosses_network(group: Sequence[Device]) -> bool:
    return len({device.node_id for device in group}) > 1


def _ring(group: Sequence[Device]) -> list[tuple[Device, Device]]:
    return [(device, group[(index + 1) % len(group)]) for index, device in enumerate(group)]


def _transfer_s(edges: Sequence[Hop], bytes_per_edge: float) -> float:
    busy_s: defaultdict[str | int, float] = defaultdict(float)
    for index, edge in enumerate(edges):
        busy_s[edge.medium if edge.medium is not None else index] += (
            bytes_per_edge / edge.bandwidth_bytes_per_s
        )
    return max(busy_s.values(), default=0.0)


def _crowding(edges: Sequence[Hop]) -> float:
    """How much fuller a shared medium is than with the two edges of the pair that was measured."""
    users = Counter(edge.medium for edge in edges if edge.medium is not None)
    return max(2, *users.values()) / 2 if users else 1.0


def _slowest_curve(edges: Sequence[Hop], message_bytes: float) -> Curve | None:
    """The slowest measured curve, if every edge that leaves a PC has one."""
    outer = [edge for edge in edges if not edge.local]
    if not outer or not all(edge.all_reduce for edge in outer):
        return None
    return max(
        (edge.all_reduce for edge in outer), key=lambda curve: interpolate(curve, message_bytes)
    )


def _along_curve(curve: Curve, message_bytes: float) -> Cost:
    total = interpolate(curve, message_bytes)
    waiting = min(curve[0][1], total)
    return Cost(latency_s=waiting, transfer_s=total - waiting)


def interpolate(curve: Curve, message_bytes: float) -> float:
    """Seconds at `message_bytes`: straight lines between measured points in log-log, beyond the last one by its rate."""
    if message_bytes <= curve[0][0]:
        return curve[0][1]
    last_bytes, last_s = curve[-1]
    if message_bytes >= last_bytes:
        return last_s * message_bytes / last_bytes if len(curve) > 1 else last_s
    for (x0, y0), (x1, y1) in pairwise(curve):
        if message_bytes <= x1:
            share = (math.log(message_bytes) - math.log(x0)) / (math.log(x1) - math.log(x0))
            return math.exp(math.log(y0) + share * (math.log(y1) - math.log(y0)))
    raise AssertionError("unreachable: the curve is ascending")
