"""The cluster as it would be with another link or without a PC."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from types import MappingProxyType
from typing import Final

from homecluster.domain.hardware import Provenance
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.units import parse_bandwidth, parse_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPreset:
    """A kind of home network, as docs/network.md describes it."""

    rtt: str
    bandwidth: str
    jitter: str = "0 ms"
    shared: bool = False


LINK_PRESETS: Final = MappingProxyType(
    {
        "hotspot": LinkPreset(rtt="20 ms", bandwidth="20 Mbit/s", jitter="5 ms", shared=True),
        "wifi5": LinkPreset(rtt="3 ms", bandwidth="150 Mbit/s", jitter="2 ms", shared=True),
        "wifi6": LinkPreset(rtt="2 ms", bandwidth="400 Mbit/s", jitter="1 ms", shared=True),
        "100mbe": LinkPreset(rtt="0.4 ms", bandwidth="94 Mbit/s"),
        "1gbe": LinkPreset(rtt="0.3 ms", bandwidth="940 Mbit/s"),
        "2.5gbe": LinkPreset(rtt="0.25 ms", bandwidth="2.35 Gbit/s"),
        "10gbe": LinkPreset(rtt="0.1 ms", bandwidth="9.4 Gbit/s"),
        "thunderbolt": LinkPreset(rtt="0.3 ms", bandwidth="16 Gbit/s"),
    }
)


def with_links(
    cluster: Cluster,
    *,
    rtt_s: float | None,
    bandwidth: float | None,
    preset: LinkPreset | None = None,
) -> Cluster:
    """Every pair of PCs joined by `preset`, or every known link with another round trip or bandwidth (bytes/s).

    Jitter and loss shrink with the round trip. Measured curves are dropped: they were measured on the
    link as it is.
    """
    if preset is not None:
        return replace(cluster, links=tuple(_preset_links(cluster, preset)))
    return replace(
        cluster,
        links=tuple(_changed(link, rtt_s=rtt_s, bandwidth=bandwidth) for link in cluster.links),
    )


def _changed(link: Link, *, rtt_s: float | None, bandwidth: float | None) -> Link:
    shrunk = 1.0 if rtt_s is None else min(1.0, rtt_s / link.rtt_s)
    return replace(
        link,
        latency_s=link.latency_s if rtt_s is None else rtt_s / 2,
        jitter_s=link.jitter_s * shrunk,
        loss_ratio=link.loss_ratio * shrunk,
        bandwidth_bytes_per_s=bandwidth or link.bandwidth_bytes_per_s,
        exchange=(),
        all_reduce=(),
    )


def without(cluster: Cluster, node_id: NodeId) -> Cluster:
    """The cluster after one PC went home."""
    return Cluster(
        nodes=tuple(node for node in cluster.nodes if node.id != node_id),
        links=tuple(link for link in cluster.links if node_id not in (link.src, link.dst)),
    )


def _preset_links(cluster: Cluster, preset: LinkPreset) -> list[Link]:
    return [
        Link(
            src=src,
            dst=dst,
            latency_s=parse_seconds(preset.rtt) / 2,
            bandwidth_bytes_per_s=parse_bandwidth(preset.bandwidth),
            jitter_s=parse_seconds(preset.jitter),
            medium="air" if preset.shared else None,
            provenance=Provenance.CATALOGUE,
        )
        for a, b in combinations([node.id for node in cluster.nodes], 2)
        for src, dst in ((a, b), (b, a))
    ]
