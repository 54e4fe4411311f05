"""What a diagnosis could not judge because nobody measured it, each with the command that does; pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from homecluster.domain.hardware import Provenance
from homecluster.domain.ids import NodeId
from homecluster.domain.signs import LinkSigns, Signs
from homecluster.domain.topology import Cluster


def looked_at_anything(signs: Signs) -> bool:
    """Whether a PC, a link or a job was seen at all."""
    return bool(signs.nodes or signs.job or any(map(_has_figures, signs.links)))


def gaps(cluster: Cluster, signs: Signs, *, has_plan: bool) -> Iterator[str]:
    """In the order in which they matter; a plan needs no PC to be looked at."""
    if not has_plan and not looked_at_anything(signs):
        yield "any PC: homecluster diagnose, typed on one of them"
    yield from _unmeasured_links(cluster, signs)
    yield from _rough_rates(cluster, signs)
    job = signs.job
    if job is not None and job.state == "running" and not job.output_tokens_per_s:
        yield f"the speed of {job.job}, for no request ran meanwhile: send one and ask again"


def _unmeasured_links(cluster: Cluster, signs: Signs) -> Iterator[str]:
    pairs = [(a.id, b.id) for a, b in combinations(cluster.nodes, 2)]
    missing = [pair for pair in pairs if not _is_measured(cluster, signs, *pair)]
    if missing:
        (a, b), *others = missing
        more = f" and {len(others)} more pairs" if others else ""
        yield f"the link of {a} and {b}{more}: homecluster probe"


def _rough_rates(cluster: Cluster, signs: Signs) -> Iterator[str]:
    pairs = combinations((node.id for node in cluster.nodes), 2)
    for a, b in pairs:
        one = signs.link(a, b)
        if one is not None and one.rate_is_rough:
            yield f"how much the link of {a} and {b} carries each way, for it swung in a quick probe: homecluster probe --between {a} {b}"


def _is_measured(cluster: Cluster, signs: Signs, a: NodeId, b: NodeId) -> bool:
    link = cluster.link(a, b) or cluster.link(b, a)
    if link is not None and link.provenance in (Provenance.CALIBRATED, Provenance.MEASURED):
        return True
    seen = (signs.link(a, b), signs.link(b, a))
    return any(one is not None and _has_figures(one) for one in seen)


def _has_figures(link: LinkSigns) -> bool:
    return link.rtt_s is not None or link.bandwidth_bytes_per_s is not None
