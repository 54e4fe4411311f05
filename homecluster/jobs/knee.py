"""Where a curve of throughput over copies bends, and what binds there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ENOUGH: Final = 0.95
"""Of the best throughput: fewer copies that reach it are the knee."""
BUSY: Final = 0.85
"""Share of the processor, or of the memory, from which it counts as what binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number of copies."""

    replicas: int
    requests_per_s: float
    processor_share: float
    memory_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    replicas: int
    binds: str
    """processor, memory, or load: there were not enough requests to tell."""
    reason: str


def find_knee(points: Sequence[Point]) -> Knee:
    """The fewest copies with 95 % of the best throughput, and why more do not help."""
    best = max(point.requests_per_s for point in points)
    knee = min(
        (point for point in points if point.requests_per_s >= ENOUGH * best),
        key=lambda point: point.replicas,
    )
    binds = _binds(knee)
    words = {
        "processor": f"its cores are {knee.processor_share:.0%} busy",
        "memory": f"its memory is {knee.memory_share:.0%} full",
        "load": "there are no more requests to share",
    }
    most = max(point.replicas for point in points)
    after = f"more, up to {most}, add nothing" if most > knee.replicas else "more were not tried"
    copies = "1 copy reaches" if knee.replicas == 1 else f"{knee.replicas} copies reach"
    return Knee(
        replicas=knee.replicas,
        binds=binds,
        reason=f"{copies} {ENOUGH:.0%} of the best throughput: {words[binds]}; {after}",
    )


def predicted_requests_per_s(
    replicas: int, *, service_s: float, cores: int, in_flight: int
) -> float:
    """Copies that each compute on one core, one request at a time: no more at once than there are of each."""
    return min(replicas, cores, in_flight) / service_s


def _binds(point: Point) -> str:
    if point.memory_share >= BUSY:
        return "memory"
    return "processor" if point.processor_share >= BUSY else "load"
