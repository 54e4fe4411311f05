"""What an iperf3 JSON document says, whatever its version or shape; pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netprobe.types import FailureKind

_PLAUSIBLE_BYTES_PER_S: Final = 1e13
"""Far beyond any link; more is garbage."""
_SHORT_SHARE: Final = 0.5
"""The last interval may be a splinter; below half the usual length it says nothing."""
_KINDS: Final = (
    ("refused", FailureKind.REFUSED),
    ("no route", FailureKind.NO_ROUTE),
    ("unreachable", FailureKind.NO_ROUTE),
    ("busy", FailureKind.BUSY),
    ("timed out", FailureKind.TIMED_OUT),
    ("timeout", FailureKind.TIMED_OUT),
    ("temporarily unavailable", FailureKind.TIMED_OUT),
    ("closed unexpectedly", FailureKind.PEER_LOST),
    ("reset by peer", FailureKind.PEER_LOST),
    ("has terminated", FailureKind.PEER_LOST),
    ("address already in use", FailureKind.PORT_TAKEN),
    ("cannot assign", FailureKind.NO_ROUTE),
    ("permission denied", FailureKind.NOT_PERMITTED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Iperf3Run:
    """One end's view of one run."""

    rates_bytes_per_s: tuple[float, ...]
    """Of this end's intervals in order, omitted ones left out: received when this end receives."""
    received_bytes_per_s: float | None
    """sum_received: over the whole run, start included."""
    retransmits: int | None
    congestion_control: str | None
    accepted_from: str | None
    """The address that a server served."""
    error: str | None


def parse(text: str) -> Iperf3Run:
    """Every field that is there and sane; a text that is no JSON object has only `error`."""
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return _failed("its output is not JSON")
    if not isinstance(root, dict):
        return _failed("its output is not a JSON object")
    end = _child(root, "end")
    received, sent = _child(end, "sum_received"), _child(end, "sum_sent")
    return Iperf3Run(
        rates_bytes_per_s=_rates(root.get("intervals")),
        received_bytes_per_s=_rate(received),
        retransmits=_count(sent.get("retransmits")),
        congestion_control=_text(end.get("sender_tcp_congestion")),
        accepted_from=_text(_child(_child(root, "start"), "accepted_connection").get("host")),
        error=_text(root.get("error")),
    )


def failure_kind(error: str) -> FailureKind:
    """The closed vocabulary's word for iperf3's own."""
    lowered = error.lower()
    return next((kind for part, kind in _KINDS if part in lowered), FailureKind.TOOL_FAILED)


def parse_version(text: str) -> str | None:
    """`3.12` from the first line of `iperf3 --version`; None when that is no iperf3."""
    match = re.match(r"iperf (\d{1,4}\.\d{1,4})", text)
    return match.group(1) if match else None


def _failed(error: str) -> Iperf3Run:
    return Iperf3Run(
        rates_bytes_per_s=(),
        received_bytes_per_s=None,
        retransmits=None,
        congestion_control=None,
        accepted_from=None,
        error=error,
    )


def _rates(intervals: object) -> tuple[float, ...]:
    if not isinstance(intervals, list):
        return ()
    sums = [_child(item, "sum") for item in intervals if isinstance(item, dict)]
    timed = [
        (seconds, rate)
        for one in sums
        if one.get("omitted") is not True
        and (seconds := _number(one.get("seconds"))) is not None
        and (rate := _rate(one)) is not None
    ]
    if not timed:
        return ()
    usual = sorted(seconds for seconds, _ in timed)[len(timed) // 2]
    return tuple(rate for seconds, rate in timed if seconds >= _SHORT_SHARE * usual)


def _rate(part: Mapping[str, object]) -> float | None:
    bits_per_s = _number(part.get("bits_per_second"))
    if bits_per_s is None or bits_per_s / 8 > _PLAUSIBLE_BYTES_PER_S:
        return None
    return bits_per_s / 8


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None or number > 1e15 else int(number)  # noqa: PLR2004 - beyond any counter


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _child(parent: object, key: str) -> Mapping[str, object]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}
