"""What the links among several hosts do: the values, what is believed of pairs measured together, the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from netprobe.report import report_document
from netprobe.schedule import Pair
from netprobe.types import Failure, Report, Throughput

SCHEMA: Final = "netprobe.matrix/1"
KEPT_SHARE: Final = 0.85
"""Two pairs that together keep less of what each had alone share a medium."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where one `netprobe serve` answers."""

    name: str
    address: str
    port: int
    token: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Two pairs that slowed each other down; the rates are sums of both pairs' both ways."""

    one: Pair
    other: Pair
    alone_bytes_per_s: float
    together_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    hosts: tuple[str, ...]
    started_at: str
    duration_s: float
    reports: tuple[Report, ...]
    """src and dst are the hosts' names; throughput is never that of pairs that slowed each other."""
    shared: tuple[Shared, ...]
    shared_tested: bool
    """False with fewer than four hosts: then no two pairs are disjoint."""
    failures: tuple[Failure, ...]


def total(one: Throughput | None) -> float:
    """Both ways summed; 0 where nothing was measured."""
    if one is None:
        return 0.0
    return (one.forward_bytes_per_s or 0.0) + (one.back_bytes_per_s or 0.0)


def keeps(together: Throughput | None, alone: Throughput | None) -> bool:
    """Each way kept at least KEPT_SHARE of what it had alone."""
    if together is None or alone is None:
        return together is alone
    ways = (
        (together.forward_bytes_per_s, alone.forward_bytes_per_s),
        (together.back_bytes_per_s, alone.back_bytes_per_s),
    )
    return all((had or 0.0) >= KEPT_SHARE * (expected or 0.0) for had, expected in ways)


def expected(pair: Pair, known: Mapping[Pair, Throughput]) -> Throughput | None:
    """The least that a pair should reach alone, from what its hosts reached with others; None when one is new.

    A host sends and receives at least as fast as it ever did: the smaller of the two ends bounds the pair.
    """
    src_up, src_down = _best(pair.src, known)
    dst_up, dst_down = _best(pair.dst, known)
    if not min(src_up, src_down, dst_up, dst_down):
        return None
    return Throughput(
        forward_bytes_per_s=min(src_up, dst_down),
        back_bytes_per_s=min(dst_up, src_down),
        tool="",
        congestion_control=None,
        forward_retransmits=None,
        back_retransmits=None,
        steady=False,
    )


def _best(host: str, known: Mapping[Pair, Throughput]) -> tuple[float, float]:
    """(fastest seen from the host, fastest seen to it)."""
    up = [0.0]
    down = [0.0]
    for pair, one in known.items():
        forward, back = one.forward_bytes_per_s or 0.0, one.back_bytes_per_s or 0.0
        if pair.src == host:
            up.append(forward)
            down.append(back)
        elif pair.dst == host:
            up.append(back)
            down.append(forward)
    return max(up), max(down)


def matrix_document(matrix: Matrix) -> dict[str, Any]:
    """netprobe.matrix/1: one report per pair, the pairs found to share a medium, the failures."""
    return {
        "schema": SCHEMA,
        "hosts": list(matrix.hosts),
        "started_at": matrix.started_at,
        "duration_s": matrix.duration_s,
        "reports": [report_document(report) for report in matrix.reports],
        "shared_tested": matrix.shared_tested,
        "shared": [_shared_document(shared) for shared in matrix.shared],
        "failures": _failures(matrix.failures),
    }


def _shared_document(shared: Shared) -> dict[str, Any]:
    return {
        "pairs": [list(shared.one), list(shared.other)],
        "alone_bytes_per_s": shared.alone_bytes_per_s,
        "together_bytes_per_s": shared.together_bytes_per_s,
    }


def _failures(failures: Iterable[Failure]) -> list[dict[str, str]]:
    return [{"probe": one.probe, "kind": one.kind.value, "detail": one.detail} for one in failures]
