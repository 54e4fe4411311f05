"""What is remembered of the clusters that announce themselves: bounded, whatever a flood sends; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from homecluster.discovery.packets import Sighting

MAX_PEERS: Final = 256
KNOWN_ROOM: Final = 64
"""Of them kept for the clusters that this PC looks for: strangers cannot take it."""
NEW_PER_S: Final = 20.0
_BURST: Final = 40.0

Key = tuple[str, str]
"""Cluster and the address that told of it: one liar cannot speak for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTable:
    """Sightings by cluster and source; `noted` makes the next table."""

    known: frozenset[str] = frozenset()
    """Clusters that this PC belongs to or was given a token of."""
    peers: Mapping[Key, Sighting] = field(default_factory=dict)
    allowance: float = _BURST
    """How many new strangers may be noted now; grows by NEW_PER_S."""
    refilled_at_s: float = 0.0
    dropped: int = 0

    def of(self, cluster: str) -> tuple[Sighting, ...]:
        """Everything told of one cluster, oldest first."""
        return tuple(one for (id_, _), one in self.peers.items() if id_ == cluster)

    def clusters(self) -> tuple[str, ...]:
        """The ids seen, oldest first."""
        return tuple(dict.fromkeys(cluster for cluster, _ in self.peers))


def noted(table: PeerTable, sighting: Sighting, now_s: float) -> PeerTable:
    """The table with this sighting, or with one more dropped where there is no room or no allowance."""
    key = (sighting.advert.cluster, sighting.source)
    if key in table.peers:
        if table.peers[key] == sighting:
            return table
        return replace(table, peers={**table.peers, key: sighting})
    if sighting.advert.cluster in table.known:
        return _noted_known(table, key, sighting)
    table = _refilled(table, now_s)
    if table.allowance < 1 or _strangers(table) >= MAX_PEERS - KNOWN_ROOM:
        return replace(table, dropped=table.dropped + 1)
    return replace(table, peers={**table.peers, key: sighting}, allowance=table.allowance - 1)


def _noted_known(table: PeerTable, key: Key, sighting: Sighting) -> PeerTable:
    if len(table.peers) - _strangers(table) >= KNOWN_ROOM:
        return replace(table, dropped=table.dropped + 1)
    return replace(table, peers={**table.peers, key: sighting})


def _strangers(table: PeerTable) -> int:
    return sum(1 for cluster, _ in table.peers if cluster not in table.known)


def _refilled(table: PeerTable, now_s: float) -> PeerTable:
    passed_s = max(0.0, now_s - table.refilled_at_s)
    allowance = min(_BURST, table.allowance + passed_s * NEW_PER_S)
    return replace(table, allowance=allowance, refilled_at_s=max(now_s, table.refilled_at_s))
