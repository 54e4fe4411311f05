"""What the planner believes about the links between PCs; directed, because home links are."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import Device, Node, Provenance
from homecluster.domain.ids import DeviceId, NodeId

Curve = tuple[tuple[int, float], ...]
"""(message bytes, seconds), ascending by bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction from one PC to another."""

    src: NodeId
    dst: NodeId
    latency_s: float
    """One way: half the round trip."""
    bandwidth_bytes_per_s: float
    jitter_s: float = 0.0
    loss_ratio: float = 0.0
    medium: str | None = None
    """Links that name one medium share its airtime (hotspot, Wi-Fi)."""
    exchange: Curve = ()
    """Measured: both ends send each other a message of this size at the same time."""
    all_reduce: Curve = ()
    """Measured: the engine's own all-reduce between the two ends."""
    provenance: Provenance = Provenance.ASSUMED
    observed_at: str | None = None

    @property
    def rtt_s(self) -> float:
        return 2 * self.latency_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """PCs and the links between them; a missing link is unknown, not slow."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        ids = {node.id for node in self.nodes}
        assert len(ids) == len(self.nodes)
        assert all(link.src in ids and link.dst in ids for link in self.links)

    def node(self, node_id: NodeId) -> Node:
        return next(node for node in self.nodes if node.id == node_id)

    def link(self, src: NodeId, dst: NodeId) -> Link | None:
        return next((link for link in self.links if (link.src, link.dst) == (src, dst)), None)

    def devices(self) -> tuple[Device, ...]:
        return tuple(device for node in self.nodes for device in node.devices)

    def device(self, device_id: DeviceId) -> Device:
        return next(device for device in self.devices() if device.id == device_id)
