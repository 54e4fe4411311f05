"""The report as a person reads it; the only module that loads rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table

from netprobe.matrix import Matrix, Shared
from netprobe.stats import GRADE_SCALE
from netprobe.types import CurvePoint, Failure, Interface, Report

_KIBI: Final = 1024


def show_report(report: Report, console: Console | None = None) -> None:
    """Print the figures, then what could not be measured."""
    out = console or Console(highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(report):
        table.add_row(name, value)
    out.print(f"{report.src} → {report.dst}", markup=False)
    out.print(table)
    for failure in report.failures:
        out.print(_failure(failure), markup=False, soft_wrap=True)


def show_matrix(found: Matrix, console: Console | None = None) -> None:
    """Print one row per pair, who shares a medium, and what could not be measured."""
    out = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("from", "to", "round trip", "lost", "forward", "back", "packet"):
        table.add_column(name, no_wrap=name not in {"from", "to"}, overflow="fold")
    for report in found.reports:
        trip, way = report.round_trip, report.throughput
        table.add_row(
            report.src,
            report.dst,
            _ms(trip.p50_s) if trip else "failed",
            f"{trip.lost}/{trip.sent}" if trip else "",
            _rate(way.forward_bytes_per_s if way else None),
            _rate(way.back_bytes_per_s if way else None),
            f"{report.mtu_bytes} B" if report.mtu_bytes else "",
        )
    if found.reports:
        out.print(table)
    for shared in found.shared:
        out.print(_shared(shared), markup=False, soft_wrap=True)
    if not found.shared_tested:
        out.print("Whether pairs share a medium needs four hosts to find out.")
    for failure in found.failures:
        out.print(_failure(failure), markup=False, soft_wrap=True)
    for report in found.reports:
        for failure in report.failures:
            out.print(
                f"{report.src} → {report.dst}: {_failure(failure)}", markup=False, soft_wrap=True
            )


def _shared(shared: Shared) -> str:
    one, other = (f"{pair.src} to {pair.dst}" for pair in (shared.one, shared.other))
    return (
        f"{one} and {other} share a medium: {_rate(shared.alone_bytes_per_s)} summed when alone, "
        f"{_rate(shared.together_bytes_per_s)} together"
    )


def _rows(report: Report) -> Iterable[tuple[str, str]]:
    if report.interface:
        yield "interface", _interface(report.interface)
    if report.far_interface:
        yield "far interface", _interface(report.far_interface)
    if (trip := report.round_trip) is not None:
        yield (
            "round trip",
            f"{_ms(trip.p50_s)} (p95 {_ms(trip.p95_s)}, p99 {_ms(trip.p99_s)}, min {_ms(trip.min_s)})",
        )
        yield "lost", f"{trip.lost} of {trip.sent} ({trip.via})"
    if report.idle_first_packet_s is not None:
        yield "after a pause", _ms(report.idle_first_packet_s)
    if (way := report.throughput) is not None:
        notes = [way.tool, *([way.congestion_control] if way.congestion_control else [])]
        notes.append("steady" if way.steady else "unsteady")
        yield (
            "throughput",
            (
                f"{_rate(way.forward_bytes_per_s)} forward, {_rate(way.back_bytes_per_s)} back "
                f"({', '.join(notes)})"
            ),
        )
    if (full := report.loaded_round_trip) is not None:
        ways = ("forward", full.forward), ("back", full.back)
        shown = ", ".join(f"{_ms(one.p50_s)} {name}" for name, one in ways if one)
        yield "under load", f"{shown}: grade {full.grade} ({GRADE_SCALE} scale)"
    if report.exchange:
        yield "exchange", _curve(report.exchange)
    for backend, curve in report.all_reduce.items():
        yield f"all-reduce ({backend})", _curve(curve)
    if report.mtu_bytes is not None:
        yield "largest packet", f"{report.mtu_bytes} B"


def _interface(one: Interface) -> str:
    return f"{one.name}: {one.kind.value} ({one.reason})"


def _curve(points: tuple[CurvePoint, ...]) -> str:
    return ", ".join(f"{_size(point.size_bytes)} {_ms(point.p50_s)}" for point in points)


def _failure(one: Failure) -> str:
    return f"{one.probe}: {one.kind.value.replace('_', ' ')}: {one.detail}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"  # noqa: PLR2004


def _rate(bytes_per_s: float | None) -> str:
    if bytes_per_s is None:
        return "failed"
    mbit_per_s = bytes_per_s * 8 / 1e6
    return f"{mbit_per_s / 1e3:.2f} Gbit/s" if mbit_per_s >= 1e3 else f"{mbit_per_s:.1f} Mbit/s"  # noqa: PLR2004


def _size(size_bytes: int) -> str:
    if size_bytes >= _KIBI**2:
        return f"{size_bytes // _KIBI**2} MiB"
    return f"{size_bytes // _KIBI} KiB" if size_bytes >= _KIBI else f"{size_bytes} B"
