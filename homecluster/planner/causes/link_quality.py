"""Links that are worse than their kind: loss, bufferbloat, power saving, shared air, a lost MTU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from homecluster.domain.signs import LinkSigns
from homecluster.domain.topology import Link
from homecluster.domain.units import format_link_rate, format_rate, format_seconds
from homecluster.planner.causes.case import Case, Found, change_links, found

_LOSSY_RATIO = 0.005
"""Home links lose less than one packet in a thousand; TCP halves its rate from about one in two hundred."""
_LEAST_LOST = 2
"""A single lost echo is chance."""
_RETRANSMIT_RATIO = 0.01
_SEGMENT_BYTES = 1448
_NEAR_THE_BOUND = 3.0
"""Cubic does somewhat better than the formula on short round trips."""
_BLOATED_S = 0.200
"""Added under load: grades D and F of dslreports.

A healthy hotspot adds up to 105 ms: a queue of 128 KiB at 20 Mbit/s on each of two hops.
"""
_BLOATED_TIMES = 3.0
_WAKES_S = 0.015
"""Access points wake a sleeping station with their beacons, every 102 ms; 5 ms is jitter."""
_WAKES_TIMES = 4.0
_RADIO = ("wifi", "hotspot")
_SHARED_RATIO = 0.7
"""Two pairs on a switch keep over 95 % of their rate, two on one radio get about half."""


def packet_loss(case: Case) -> Found | None:
    """A link loses packets, each of which waits for a retransmission."""
    link = worst(case, _loss_ratio, _is_lossy)
    if link is None:
        return None
    ratio = _loss_ratio(link)
    mended = change_links(
        case.cluster, {link.src, link.dst}, lambda one: _lossless(case, one, ratio)
    )
    gain = case.gain_on(mended)
    return found(
        "packet-loss",
        f"{link.src} to {link.dst} loses {100 * ratio:.2g} % of its packets: every loss stops a chain of messages "
        "for a retransmission of 200 ms or more",
        evidence=(*_loss_evidence(link), *then(case, gain)),
        do="a cable; or move the PCs closer to the access point, take the 5 GHz band, and renew a damaged cable or plug",
        effect=gain,
        mended=mended,
    )


def _lossless(case: Case, link: Link, ratio: float) -> Link:
    """The link without loss; with the rate that it was believed to have, where loss is what bounds it now.

    TCP reaches about 1.22 segments per round trip and root of the loss (Mathis et al., 1997).
    """
    bound = 1.22 * _SEGMENT_BYTES / (link.rtt_s * math.sqrt(ratio)) if link.rtt_s else math.inf
    before = case.believed.link(link.src, link.dst) if case.believed else None
    rate = link.bandwidth_bytes_per_s
    if before is not None and rate < _NEAR_THE_BOUND * bound:
        rate = max(rate, before.bandwidth_bytes_per_s)
    return replace(link, loss_ratio=0.0, bandwidth_bytes_per_s=rate)


def bufferbloat(case: Case) -> Found | None:
    """A full link makes every small message wait in a long queue."""
    link = worst(case, _bloat_s, _is_bloated)
    if link is None or link.rtt_s is None or link.loaded_rtt_s is None:
        return None
    added_s = link.loaded_rtt_s - link.rtt_s
    loaded = change_links(
        case.cluster,
        {link.src, link.dst},
        lambda one: replace(one, latency_s=one.latency_s + added_s / 2),
    )
    lost = max(0.0, case.judged.rate - case.rate_on(loaded)) if case.judged else 0.0
    return found(
        "bufferbloat",
        f"while {link.src} to {link.dst} is busy, a small message takes {format_seconds(link.loaded_rtt_s)} "
        f"instead of {format_seconds(link.rtt_s)}: it waits behind a long queue",
        evidence=_while_busy(case, lost),
        do="switch on smart queues (SQM, fq_codel, cake) in the router, or limit uploads there to 90 % of the line; "
        "until then keep downloads and backups away while the job runs",
        effect=lost,
    )


def wifi_power_save(case: Case) -> Found | None:
    """A Wi-Fi adapter sleeps between packets and answers late after every pause."""
    link = worst(case, _wake_s, _is_sleepy)
    if link is None or link.rtt_s is None:
        return None
    wake_s = _wake_s(link)
    mended = change_links(
        case.cluster, {link.src, link.dst}, lambda one: _quick(one, link.rtt_min_s)
    )
    gain = case.gain_on(mended)
    return found(
        "wifi-power-save",
        f"{link.src} to {link.dst}: the first packet after a pause takes {format_seconds(link.rtt_s + wake_s)}, "
        f"the next ones {format_seconds(link.rtt_s)}: the Wi-Fi adapter sleeps in between",
        evidence=then(case, gain),
        do="switch the adapter's power saving off: sudo iw dev INTERFACE set power_save off (Windows: adapter, Advanced, "
        "power saving: maximum performance)",
        effect=gain,
        mended=mended,
    )


def shared_medium(case: Case) -> Found | None:
    """Several pairs of PCs share one radio, and the cluster's document does not know it yet."""
    link = worst(
        case, lambda one: 1 - (one.together_ratio or 1.0), lambda one: _is_shared(case, one)
    )
    if link is None or link.together_ratio is None:
        return None
    return found(
        "shared-medium",
        f"{link.src} to {link.dst} keeps {100 * link.together_ratio:.0f} % of its rate while another pair talks: "
        "they share one radio or one slow switch",
        evidence=("links of one medium must be planned together: name it `medium`",),
        do="put at least one of the PCs on a cable: each radio hop that goes leaves its airtime to the others",
    )


def mtu_blackhole(case: Case) -> Found | None:
    """Small packets pass, large ones vanish: connections open and then hang."""
    for link in case.links():
        kinds = {failure.kind for failure in link.failures}
        path, own = link.path_mtu_bytes, link.interface_mtu_bytes
        if "blackhole" in kinds:
            size = f"of more than {path} bytes" if path else "of full size"
            return found(
                "mtu-blackhole",
                f"{link.src} to {link.dst}: packets {size} vanish without notice, so connections open and then hang",
                evidence=tuple(one.detail for one in link.failures if one.kind == "blackhole")
                + ((f"the interface sends up to {own} bytes",) if own else ()),
                do=f"on {link.src} and {link.dst}: sudo ip link set dev INTERFACE mtu {path or 1280}, "
                "or let ICMP `fragmentation needed` through the firewall or VPN between them",
            )
    return None


def worst(
    case: Case, weight: Callable[[LinkSigns], float], holds: Callable[[LinkSigns], bool]
) -> LinkSigns | None:
    """Of the links that count and for which it holds, the one that weighs most."""
    return max((link for link in case.links() if holds(link)), key=weight, default=None)


def _loss_ratio(link: LinkSigns) -> float:
    echoes = (link.echoes_lost or 0) / link.echoes if link.echoes else 0.0
    return max(echoes, _retransmit_ratio(link))


def _retransmit_ratio(link: LinkSigns) -> float:
    """Retransmissions per segment; only a sender without congestion by design tells loss by it."""
    if not link.retransmits or not link.carried_bytes:
        return 0.0
    return min(1.0, link.retransmits * _SEGMENT_BYTES / link.carried_bytes)


def _is_lossy(link: LinkSigns) -> bool:
    """By echoes that vanished; by retransmissions only where a full queue does not explain them."""
    lost, sent = link.echoes_lost or 0, link.echoes or 0
    if sent and lost >= _LEAST_LOST and lost / sent >= _LOSSY_RATIO:
        return True
    idle = link.loaded_rtt_s is None or not _is_bloated(link)
    return idle and not sent and _retransmit_ratio(link) >= _RETRANSMIT_RATIO


def _loss_evidence(link: LinkSigns) -> Iterable[str]:
    if link.echoes:
        yield f"{link.echoes_lost or 0} of {link.echoes} small packets never came back"
    if link.retransmits:
        yield f"{link.retransmits} segments sent again while it was full"
    if link.bandwidth_bytes_per_s:
        control = f" with {link.congestion_control}" if link.congestion_control else ""
        yield f"it carries {format_link_rate(link.bandwidth_bytes_per_s)}{control}"


def _bloat_s(link: LinkSigns) -> float:
    if link.loaded_rtt_s is None or link.rtt_s is None:
        return 0.0
    return link.loaded_rtt_s - link.rtt_s


def _is_bloated(link: LinkSigns) -> bool:
    added_s = _bloat_s(link)
    return (
        added_s >= _BLOATED_S and link.rtt_s is not None and added_s >= _BLOATED_TIMES * link.rtt_s
    )


def _wake_s(link: LinkSigns) -> float:
    if link.first_packet_s is None or link.rtt_s is None:
        return 0.0
    return max(0.0, link.first_packet_s - link.rtt_s)


def _is_sleepy(link: LinkSigns) -> bool:
    radio = link.interface_kind is None or link.interface_kind in _RADIO
    base_s = link.rtt_p95_s or link.rtt_s or math.inf
    return radio and _wake_s(link) >= _WAKES_S and _wake_s(link) >= (_WAKES_TIMES - 1) * base_s


def _quick(link: Link, least_s: float | None) -> Link:
    """The link without waking up: its shortest round trip, and no jitter."""
    return replace(link, latency_s=(least_s or 2 * link.latency_s) / 2, jitter_s=0.0)


def _is_shared(case: Case, link: LinkSigns) -> bool:
    if link.together_ratio is None or link.together_ratio >= _SHARED_RATIO:
        return False
    ends = {link.src, link.dst}
    known = case.cluster.link(link.src, link.dst)
    medium = known.medium if known else None
    others = {one.medium for one in case.cluster.links if {one.src, one.dst} != ends}
    return medium is None or medium not in others


def then(case: Case, gain: float) -> tuple[str, ...]:
    """What the layout would do on the mended link, as evidence."""
    if case.judged is None or not gain:
        return ()
    return (f"mended: {format_rate(case.judged.rate + gain)} tokens/s",)


def _while_busy(case: Case, lost: float) -> tuple[str, ...]:
    if case.judged is None or not lost:
        return ()
    return (
        f"this layout: {format_rate(case.judged.rate)} tokens/s, and {format_rate(case.judged.rate - lost)} while the link is busy",
    )
