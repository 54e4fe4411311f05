"""What was seen of a link (netprobe's Report) -> what the planner believes of it (two directed Links); pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles
from typing import Final

from homecluster.domain.hardware import DeviceKind, Node, Provenance
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Curve, Link
from netprobe.types import CurvePoint, Interface, InterfaceKind, Report

_HALF_DUPLEX: Final = (InterfaceKind.WIFI, InterfaceKind.HOTSPOT)
_P95_IN_DEVIATIONS: Final = 1.645
_COLLECTIVE: Final = {DeviceKind.CUDA: "nccl", DeviceKind.CPU: "gloo"}


def believed_links(report: Report, src: NodeId, dst: NodeId, kind: DeviceKind) -> tuple[Link, ...]:
    """Both directions of the probed link, none where its round trip was not measured; a direction without
    a throughput is left out, so that it stays unknown.

    Conservative where the figures spread: the latency is half the median round trip, its jitter the
    deviation that the 95th percentile implies, and an unsteady direction counts with its lower quartile.
    A radio at either end means that both directions share the air.

    Args:
        report: of a probe that ran on `src` against `dst`.
        src: the PC's name in the cluster document.
        dst: likewise.
        kind: of the devices that would talk, which decides whose all-reduce curve counts.
    """
    trip, rate = report.round_trip, report.throughput
    if trip is None or rate is None:
        return ()
    ways = (
        (src, dst, rate.forward_bytes_per_s, "forward"),
        (dst, src, rate.back_bytes_per_s, "back"),
    )
    return tuple(
        Link(
            src=a,
            dst=b,
            latency_s=trip.p50_s / 2,
            bandwidth_bytes_per_s=mean
            if rate.steady
            else min(mean, _lower_quartile(report, way, mean)),
            jitter_s=max(0.0, trip.p95_s - trip.p50_s) / _P95_IN_DEVIATIONS,
            loss_ratio=trip.lost / trip.sent if trip.sent else 0.0,
            medium=_medium(report, src, dst),
            exchange=_curve(report.exchange),
            all_reduce=_curve(report.all_reduce.get(_COLLECTIVE[kind], ())),
            provenance=Provenance.MEASURED,
            observed_at=report.started_at,
        )
        for a, b, mean, way in ways
        if mean
    )


def engine_kind(one: Node, other: Node) -> DeviceKind:
    """The kind of devices that a copy over both PCs would use: GPUs where both have one."""
    both = all(
        any(device.kind is DeviceKind.CUDA for device in node.devices) for node in (one, other)
    )
    return DeviceKind.CUDA if both else DeviceKind.CPU


def _lower_quartile(report: Report, way: str, mean: float) -> float:
    rates = report.samples.get(f"throughput_{way}_bytes_per_s", ())
    if len(rates) < 4:  # noqa: PLR2004 - a quartile of fewer means nothing
        return mean
    return max(quantiles(rates, n=4)[0], min(rate for rate in rates if rate > 0))


def _medium(report: Report, src: NodeId, dst: NodeId) -> str | None:
    radio = [end for end in (report.interface, report.far_interface) if _is_radio(end)]
    return f"air {src} {dst}" if radio else None


def _is_radio(interface: Interface | None) -> bool:
    return interface is not None and interface.kind in _HALF_DUPLEX


def _curve(points: Sequence[CurvePoint]) -> Curve:
    """Means where they are known: a token's messages follow each other, and their times add up."""
    times = ((point.size_bytes, point.mean_s or point.p50_s) for point in points)
    return tuple(sorted((size, seconds) for size, seconds in times if seconds > 0))
