"""Where a home's own links lie in a table by round trip and bandwidth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster, Link
from homecluster.planner.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlace:
    """The nearest row (round trip) and column (bandwidth) of links, and whose links they are."""

    row: int
    column: int
    pairs: tuple[tuple[NodeId, NodeId], ...]


def link_places(found: Sensitivity, cluster: Cluster) -> tuple[LinkPlace, ...]:
    """Each cell that some link is nearest to by ratio, in order of rows; a pair counts by its worse direction."""
    pairs: dict[tuple[NodeId, NodeId], list[Link]] = {}
    for link in cluster.links:
        pairs.setdefault((min(link.src, link.dst), max(link.src, link.dst)), []).append(link)
    cells: dict[tuple[int, int], list[tuple[NodeId, NodeId]]] = {}
    for pair, links in pairs.items():
        row = _nearest(found.round_trips_s, max(link.rtt_s for link in links))
        rate = min(link.bandwidth_bytes_per_s for link in links)
        cells.setdefault((row, _nearest(found.bandwidths_bytes_per_s, rate)), []).append(pair)
    return tuple(
        LinkPlace(row=row, column=column, pairs=tuple(of))
        for (row, column), of in sorted(cells.items())
    )


def _nearest(steps: Sequence[float], value: float) -> int:
    return min(range(len(steps)), key=lambda index: abs(math.log(steps[index] / value)))
