"""Layouts whose tokens wait for bytes: a thin link, or one whose way back is thin."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.topology import Link
from homecluster.domain.units import format_link_rate, format_rate, format_seconds
from homecluster.planner.causes.case import Case, Found, change_links, found
from homecluster.planner.causes.instead import alternatives, remedy
from homecluster.planner.causes.waiting import BINDS

_LOPSIDED = 3.0
"""Directions of home links measured on cables and in one room differ by less than half."""
_WORTH = 0.10
"""A change of less than a tenth drowns in the spread of measurements."""


def thin_link(case: Case) -> Found | None:
    """Moving bytes takes most of a token's time."""
    judged = case.judged
    if judged is None or not judged.spans_pcs:
        return None
    terms = judged.plan.estimate.terms
    if terms.network_transfer_s < max(BINDS * terms.total_s, terms.network_latency_s):
        return None
    helps, slowest = remedy(case, judged), _slowest(case)
    if helps is None or slowest is None:
        return None
    to_do, gain = helps
    return found(
        "thin-link",
        f"moving bytes takes {format_seconds(terms.network_transfer_s)} of {format_seconds(terms.total_s)} per token: "
        f"{slowest.src} to {slowest.dst} carries {format_link_rate(slowest.bandwidth_bytes_per_s)}",
        evidence=alternatives(case, judged),
        do=to_do.text,
        argv=to_do.argv,
        effect=gain,
    )


def asymmetric_uplink(case: Case) -> Found | None:
    """One direction carries much less than the other, and the layout feels it."""
    worst: Found | None = None
    for link in _used(case):
        back = case.cluster.link(link.dst, link.src)
        if back is None or back.bandwidth_bytes_per_s < _LOPSIDED * link.bandwidth_bytes_per_s:
            continue
        if _is_rough(case, link) or _is_rough(case, back):
            continue
        one = _asymmetric(case, link, back)
        if one is not None and (
            worst is None or one.cause.effect_tokens_per_s > worst.cause.effect_tokens_per_s
        ):
            worst = one
    return worst


def _is_rough(case: Case, link: Link) -> bool:
    signs = case.signs.link(link.src, link.dst)
    return signs is not None and signs.rate_is_rough


def _asymmetric(case: Case, thin: Link, wide: Link) -> Found | None:
    def widened(link: Link) -> Link:
        rate = max(link.bandwidth_bytes_per_s, wide.bandwidth_bytes_per_s)
        return replace(link, bandwidth_bytes_per_s=rate)

    mended = change_links(case.cluster, {thin.src, thin.dst}, widened)
    gain = case.gain_on(mended)
    if case.judged is not None and gain < _WORTH * case.judged.rate:
        return None
    return found(
        "asymmetric-uplink",
        f"{thin.src} sends to {thin.dst} at {format_link_rate(thin.bandwidth_bytes_per_s)}, "
        f"but gets {format_link_rate(wide.bandwidth_bytes_per_s)} back: every exchange waits for the thin way",
        evidence=(f"with both ways alike: {format_rate(case.judged.rate + gain)} tokens/s",)
        if case.judged
        else (),
        do=f"give {thin.src} a better way out: a cable, another band or place for its antenna, a hotspot on the other PC, "
        "or no upload limit in the router",
        effect=gain,
        mended=mended,
    )


def _used(case: Case) -> list[Link]:
    if case.judged is None:
        return list(case.cluster.links)
    if not case.judged.spans_pcs:
        return []
    nodes = set(case.judged.plan.nodes)
    return [link for link in case.cluster.links if {link.src, link.dst} <= nodes]


def _slowest(case: Case) -> Link | None:
    return min(_used(case), key=lambda link: link.bandwidth_bytes_per_s, default=None)
