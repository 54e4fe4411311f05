"""Links that changed for the worse, as the link watch saw it."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.signs import LinkSigns
from homecluster.domain.topology import Link
from homecluster.domain.units import format_link_rate, format_seconds
from homecluster.planner.causes.case import Case, Found, change_links, found
from homecluster.planner.causes.link_quality import then, worst

_WORSE_RTT_TIMES = 2.0
_WORSE_RTT_S = 0.002
_WORSE_RATE_TIMES = 2.0


def link_got_worse(case: Case) -> Found | None:
    """The link watch saw this link change for the worse."""
    link = worst(case, _worsening, _is_worse)
    if link is None:
        return None
    mended = change_links(case.cluster, {link.src, link.dst}, lambda one: _as_usual(one, link))
    gain = case.gain_on(mended)
    since = f" since {link.worse_since}" if link.worse_since else ""
    return found(
        "link-got-worse",
        f"{link.src} to {link.dst} got worse{since}: {'; '.join(_changes(link))}",
        evidence=then(case, gain),
        do="look for what changed: another Wi-Fi band or place, a new VPN, a download that runs, a cable that negotiates "
        "100 Mbit/s; then homecluster probe",
        effect=gain,
        mended=mended,
    )


def _watched_s(link: LinkSigns) -> float | None:
    """Comparable to `usual_rtt_s`: by the watch itself, else just measured."""
    return link.watched_rtt_s or link.rtt_s


def _worsening(link: LinkSigns) -> float:
    slower = (_watched_s(link) or 0.0) / link.usual_rtt_s if link.usual_rtt_s else 1.0
    rate = link.bandwidth_bytes_per_s
    thinner = (link.usual_bandwidth_bytes_per_s or 0.0) / rate if rate else 1.0
    return max(slower, thinner)


def _is_worse(link: LinkSigns) -> bool:
    return bool(_changes(link))


def _changes(link: LinkSigns) -> list[str]:
    said = []
    usual, now = link.usual_rtt_s, _watched_s(link)
    if usual and now and now >= _WORSE_RTT_TIMES * usual and now - usual >= _WORSE_RTT_S:
        said.append(f"its round trip was {format_seconds(usual)} and is {format_seconds(now)}")
    before, rate = link.usual_bandwidth_bytes_per_s, link.bandwidth_bytes_per_s
    if before and rate and before >= _WORSE_RATE_TIMES * rate:
        said.append(f"it carried {format_link_rate(before)} and carries {format_link_rate(rate)}")
    return said


def _as_usual(link: Link, signs: LinkSigns) -> Link:
    usual_s, rate = signs.usual_rtt_s, signs.usual_bandwidth_bytes_per_s
    slower_s = max(0.0, (_watched_s(signs) or 0.0) - usual_s) if usual_s else 0.0
    return replace(
        link,
        latency_s=max(0.1 * link.latency_s, link.latency_s - slower_s / 2),
        bandwidth_bytes_per_s=max(link.bandwidth_bytes_per_s, rate or 0.0),
    )
