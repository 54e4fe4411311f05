"""What netprobe reported of a pair of PCs -> LinkSigns of both directions; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from homecluster.domain.ids import NodeId
from homecluster.domain.signs import LinkFailure, LinkSigns
from netprobe.types import Loaded, Report

_MEASURED_S = 2.0
"""A full probe fills each direction for so long; the quick one for half a second."""
_QUICK_S = 0.5


def link_signs(report: Report, src: NodeId, dst: NodeId) -> tuple[LinkSigns, LinkSigns]:
    """Both directions; what was not measured stays None, and failures go with both."""
    rate = report.throughput
    forward = _one_way(report, src, dst)
    back = _one_way(report, dst, src)
    loaded = report.loaded_round_trip
    return (
        _with_rate(
            forward,
            report,
            rate.forward_bytes_per_s if rate else None,
            rate.forward_retransmits if rate else None,
            loaded.forward if loaded else None,
        ),
        _with_rate(
            back,
            report,
            rate.back_bytes_per_s if rate else None,
            rate.back_retransmits if rate else None,
            loaded.back if loaded else None,
        ),
    )


def with_reach(measured: Iterable[LinkSigns], reach: Iterable[LinkSigns]) -> tuple[LinkSigns, ...]:
    """Earlier measurements with who reaches whom now; a direction that opens again has no old failure left."""
    found = {(one.src, one.dst): one for one in measured}
    for now in reach:
        old = found.get((now.src, now.dst), now)
        lasting = tuple(one for one in old.failures if one.kind == "blackhole")
        found[now.src, now.dst] = replace(
            old,
            opens=now.opens,
            is_there=now.is_there,
            failures=(*lasting, *now.failures),
        )
    return tuple(found.values())


def _one_way(report: Report, src: NodeId, dst: NodeId) -> LinkSigns:
    trip = report.round_trip
    kinds = [end.kind.value for end in (report.interface, report.far_interface) if end]
    radio = next((kind for kind in kinds if kind in ("wifi", "hotspot")), None)
    return LinkSigns(
        src=src,
        dst=dst,
        rtt_s=trip.p50_s if trip else None,
        rtt_p95_s=trip.p95_s if trip else None,
        rtt_min_s=trip.min_s if trip else None,
        first_packet_s=report.idle_first_packet_s,
        echoes=trip.sent if trip else None,
        echoes_lost=trip.lost if trip else None,
        path_mtu_bytes=report.mtu_bytes,
        interface_kind=radio or next(iter(kinds), None),
        opens=None if trip is None and _rate_missing(report) else True,
        failures=tuple(
            LinkFailure(probe=one.probe, kind=one.kind.value, detail=one.detail)
            for one in report.failures
        ),
    )


def _rate_missing(report: Report) -> bool:
    """No direction carried anything that could be counted."""
    rate = report.throughput
    return rate is None or not (rate.forward_bytes_per_s or rate.back_bytes_per_s)


def _with_rate(
    link: LinkSigns,
    report: Report,
    rate: float | None,
    retransmits: int | None,
    loaded: Loaded | None,
) -> LinkSigns:
    seconds = _MEASURED_S if report.plan == "full" else _QUICK_S
    steady = report.throughput is not None and report.throughput.steady
    return replace(
        link,
        bandwidth_bytes_per_s=rate or None,
        rate_is_rough=bool(rate) and report.plan == "quick" and not steady,
        retransmits=retransmits,
        carried_bytes=rate * seconds if rate else None,
        congestion_control=report.throughput.congestion_control if report.throughput else None,
        loaded_rtt_s=loaded.p50_s if loaded else None,
    )
