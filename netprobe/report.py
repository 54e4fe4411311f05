"""The measurement document: a Report as JSON, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from netprobe.stats import GRADE_SCALE
from netprobe.types import (
    CurvePoint,
    Failure,
    FailureKind,
    Interface,
    InterfaceKind,
    Loaded,
    LoadedRoundTrip,
    Report,
    RoundTrip,
    Throughput,
)

SCHEMA: Final = "netprobe.report/1"

_LARGEST: Final = 1e15
"""Seconds, bytes or bytes/s: what is larger was not measured; sums and products within stay finite."""

Json = dict[str, Any]  # Any: a JSON document's values are of every kind


def report_document(report: Report) -> Json:
    """As contract.md's measurement document; what was not measured is null or empty."""
    return {
        "schema": SCHEMA,
        "src": report.src,
        "dst": report.dst,
        "src_address": report.src_address,
        "dst_address": report.dst_address,
        "plan": report.plan,
        "interface": report.interface.name if report.interface else None,
        "interface_kind": report.interface.kind.value if report.interface else None,
        "interface_reason": report.interface.reason if report.interface else None,
        "far_interface": interface_document(report.far_interface),
        "started_at": report.started_at,
        "duration_s": report.duration_s,
        "round_trip": _round_trip_document(report.round_trip),
        "idle_first_packet_s": report.idle_first_packet_s,
        "throughput": _throughput_document(report.throughput),
        "loaded_round_trip": _loaded_document(report.loaded_round_trip),
        "exchange": _curve_document(report.exchange),
        "all_reduce": {name: _curve_document(curve) for name, curve in report.all_reduce.items()},
        "mtu_bytes": report.mtu_bytes,
        "failures": [
            {"probe": one.probe, "kind": one.kind.value, "detail": one.detail}
            for one in report.failures
        ],
        "samples": {name: list(values) for name, values in report.samples.items()},
    }


def interface_document(interface: Interface | None) -> Json | None:
    if interface is None:
        return None
    return {"name": interface.name, "kind": interface.kind.value, "reason": interface.reason}


def _round_trip_document(one: RoundTrip | None) -> Json | None:
    if one is None:
        return None
    return {
        "min_s": one.min_s,
        "p50_s": one.p50_s,
        "p95_s": one.p95_s,
        "p99_s": one.p99_s,
        "sent": one.sent,
        "lost": one.lost,
        "via": one.via,
    }


def _throughput_document(one: Throughput | None) -> Json | None:
    if one is None:
        return None
    return {
        "forward_bytes_per_s": one.forward_bytes_per_s,
        "back_bytes_per_s": one.back_bytes_per_s,
        "tool": one.tool,
        "congestion_control": one.congestion_control,
        "forward_retransmits": one.forward_retransmits,
        "back_retransmits": one.back_retransmits,
        "steady": one.steady,
    }


def _loaded_document(one: LoadedRoundTrip | None) -> Json | None:
    if one is None:
        return None
    ways = {"forward": one.forward, "back": one.back}
    return {
        **{
            name: {"p50_s": way.p50_s, "p95_s": way.p95_s} if way else None
            for name, way in ways.items()
        },
        "grade": one.grade,
        "grade_scale": GRADE_SCALE,
    }


def _curve_document(curve: Iterable[CurvePoint]) -> list[Json]:
    return [
        {"bytes": point.size_bytes, "p50_s": point.p50_s, "mean_s": point.mean_s} for point in curve
    ]


def parse_report(document: Mapping[str, Any]) -> Report:
    """The Report that a document describes; inverse of `report_document`.

    Raises:
        ValueError: another schema, or a field that is missing or of the wrong kind.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(f"not a {SCHEMA} document")
    try:
        return _report(document)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a {SCHEMA} document: {error!r}") from error


def _report(document: Mapping[str, Any]) -> Report:
    return Report(
        src=str(document["src"]),
        dst=str(document["dst"]),
        src_address=_text(document["src_address"]),
        dst_address=_text(document["dst_address"]),
        plan=str(document["plan"]),
        started_at=str(document["started_at"]),
        duration_s=_number(document["duration_s"]),
        interface=_near_interface(document),
        far_interface=parse_interface(document["far_interface"]),
        round_trip=_round_trip(document["round_trip"]),
        idle_first_packet_s=_float(document["idle_first_packet_s"]),
        throughput=_throughput(document["throughput"]),
        loaded_round_trip=_loaded_round_trip(document["loaded_round_trip"]),
        exchange=_curve(document["exchange"]),
        all_reduce={name: _curve(curve) for name, curve in document["all_reduce"].items()},
        mtu_bytes=_int(document["mtu_bytes"]),
        failures=tuple(
            Failure(
                probe=str(one["probe"]), kind=FailureKind(one["kind"]), detail=str(one["detail"])
            )
            for one in document["failures"]
        ),
        samples={
            str(name): tuple(_number(value) for value in values)
            for name, values in document["samples"].items()
        },
    )


def parse_interface(one: Mapping[str, Any] | None) -> Interface | None:
    if one is None:
        return None
    return Interface(
        name=str(one["name"]), kind=InterfaceKind(one["kind"]), reason=str(one["reason"])
    )


def _near_interface(document: Mapping[str, Any]) -> Interface | None:
    if document["interface"] is None:
        return None
    return Interface(
        name=str(document["interface"]),
        kind=InterfaceKind(document["interface_kind"]),
        reason=str(document["interface_reason"]),
    )


def _round_trip(one: Mapping[str, Any] | None) -> RoundTrip | None:
    if one is None:
        return None
    return RoundTrip(
        min_s=_number(one["min_s"]),
        p50_s=_number(one["p50_s"]),
        p95_s=_number(one["p95_s"]),
        p99_s=_number(one["p99_s"]),
        sent=_count(one["sent"]),
        lost=_count(one["lost"]),
        via=str(one["via"]),
    )


def _throughput(one: Mapping[str, Any] | None) -> Throughput | None:
    if one is None:
        return None
    return Throughput(
        forward_bytes_per_s=_float(one["forward_bytes_per_s"]),
        back_bytes_per_s=_float(one["back_bytes_per_s"]),
        tool=str(one["tool"]),
        congestion_control=_text(one["congestion_control"]),
        forward_retransmits=_int(one["forward_retransmits"]),
        back_retransmits=_int(one["back_retransmits"]),
        steady=bool(one["steady"]),
    )


def _loaded_round_trip(one: Mapping[str, Any] | None) -> LoadedRoundTrip | None:
    if one is None:
        return None
    return LoadedRoundTrip(
        forward=_loaded(one["forward"]), back=_loaded(one["back"]), grade=str(one["grade"])
    )


def _loaded(one: Mapping[str, Any] | None) -> Loaded | None:
    return None if one is None else Loaded(p50_s=_number(one["p50_s"]), p95_s=_number(one["p95_s"]))


def _curve(points: Iterable[Mapping[str, Any]]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            size_bytes=_count(point["bytes"]),
            p50_s=_number(point["p50_s"]),
            mean_s=_float(point.get("mean_s")),
        )
        for point in points
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise ValueError("a figure that nobody can have measured")
    return float(value)


def _count(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("a count that is no whole number")  # noqa: TRY004 - as any other wrong value
    return int(_number(value))


def _float(value: Any) -> float | None:
    return None if value is None else _number(value)


def _int(value: Any) -> int | None:
    return None if value is None else _count(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
