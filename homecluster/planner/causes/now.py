"""The believed cluster with what was measured just now in the place of what was measured before."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.hardware import Provenance
from homecluster.domain.signs import LinkSigns, Signs
from homecluster.domain.topology import Cluster, Link

_P95_IN_DEVIATIONS = 1.645
_AS_BEFORE = 0.3
"""A figure within this of the old one is the same link: measured curves stay valid."""


def as_seen(cluster: Cluster, signs: Signs) -> Cluster:
    """Links whose signs hold a round trip or a rate take it; measured message curves go where the link changed."""
    return replace(
        cluster,
        links=tuple(
            _seen(link, found) if (found := signs.link(link.src, link.dst)) else link
            for link in cluster.links
        ),
    )


def _seen(link: Link, signs: LinkSigns) -> Link:
    rtt_s = signs.rtt_s or link.rtt_s + _slower_s(link, signs)
    rate = signs.bandwidth_bytes_per_s or link.bandwidth_bytes_per_s
    spread_s = max(0.0, (signs.rtt_p95_s or 0.0) - rtt_s) / _P95_IN_DEVIATIONS
    lost = (signs.echoes_lost or 0) / signs.echoes if signs.echoes else link.loss_ratio
    if signs.rtt_s is None and signs.bandwidth_bytes_per_s is None and rtt_s == link.rtt_s:
        return link  # only whether it opens was tried
    same = _near(rtt_s, link.rtt_s) and _near(rate, link.bandwidth_bytes_per_s)
    return replace(
        link,
        latency_s=rtt_s / 2,
        bandwidth_bytes_per_s=rate,
        jitter_s=spread_s if signs.rtt_p95_s is not None else link.jitter_s,
        loss_ratio=min(1.0, lost),
        exchange=link.exchange if same else (),
        all_reduce=link.all_reduce if same else (),
        provenance=Provenance.MEASURED,
    )


def _slower_s(link: Link, signs: LinkSigns) -> float:
    """What the watch saw it lose since it was measured."""
    watched_s, usual_s, since = signs.watched_rtt_s, signs.usual_rtt_s, signs.worse_since
    if watched_s is None or usual_s is None or since is None:
        return 0.0
    if link.observed_at is not None and link.observed_at >= since:
        return 0.0  # measured as it is now
    return max(0.0, watched_s - usual_s)


def _near(now: float, before: float) -> bool:
    return abs(now - before) <= _AS_BEFORE * before
