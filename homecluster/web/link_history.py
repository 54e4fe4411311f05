"""Round trip and bandwidth of links over time, as the page's charts and the terminal's pictures take them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from homecluster.domain.ids import NodeId
from homecluster.store.link_log import LinkPoint

MOST_POINTS: Final = 120
"""Of one link and method: ten hours at a point every five minutes."""


def link_histories(points: Iterable[LinkPoint]) -> list[dict[str, Any]]:
    """One series for each link and method: `points` of [Unix time, round trip in s, bandwidth in bytes/s].

    Methods stay apart: an echo through the agents takes longer than one of netprobe, on the same link.
    """
    series: dict[tuple[NodeId, NodeId, str], list[list[float | None]]] = {}
    for point in points:
        at_s = _unix_s(point.at)
        if at_s is None or (point.rtt_s is None and point.bandwidth_bytes_per_s is None):
            continue
        kept = series.setdefault((point.src, point.dst, point.method), [])
        kept.append([at_s, point.rtt_s, point.bandwidth_bytes_per_s])
    return [
        {"src": src, "dst": dst, "method": method, "points": kept[-MOST_POINTS:]}
        for (src, dst, method), kept in series.items()
    ]


def _unix_s(text: str) -> float | None:
    """None where a foreign or damaged line has no time."""
    try:
        return round(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return None
