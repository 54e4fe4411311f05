"""What the reports of the emulated homes say in figures: one Markdown table, and the rows behind it."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from netprobe.types import CurvePoint, Loaded, Report

HOMES = {
    "1gbe": "1 GbE switch",
    "wifi5": "Wi-Fi 5",
    "hotspot": "phone hotspot",
    "bloated": "20 Mbit/s, 1 MiB queues",
}
"""The lab's name for a home -> what people call it."""

BYTES_PER_VALUE = 2
"""bf16 and fp16 activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What one token of a model waits for when tensor parallel spans two PCs."""

    model: str
    layers: int
    hidden: int

    @property
    def messages(self) -> int:
        """Two all-reduces a layer and one for the embedding."""
        return 2 * self.layers + 1

    @property
    def message_bytes(self) -> int:
        return self.hidden * BYTES_PER_VALUE

    def most_tokens_per_s(self, curve: Sequence[CurvePoint]) -> float:
        """Of one request, if computing took no time."""
        return 1 / (self.messages * seconds_at(curve, self.message_bytes))


MODELS = (
    Waiting(model="GPT-2", layers=12, hidden=768),
    Waiting(model="Llama-3-8B", layers=32, hidden=4096),
)


def seconds_at(curve: Sequence[CurvePoint], size_bytes: int) -> float:
    """Between the two nearest sizes measured, along a straight line on log-log paper.

    Raises:
        ValueError: the curve does not reach that size.
    """
    for left, right in itertools.pairwise(curve):
        if left.size_bytes <= size_bytes <= right.size_bytes:
            share = math.log(size_bytes / left.size_bytes) / math.log(
                right.size_bytes / left.size_bytes
            )
            return left.p50_s * math.pow(right.p50_s / left.p50_s, share)
    raise ValueError(f"no exchange of about {size_bytes} bytes was measured")


def table(reports: Mapping[str, Report]) -> str:
    """One column per home, one row per figure."""
    rows = (
        ("round trip p50 / p95, ms", _round_trip),
        ("under load: there / back, ms", _loaded),
        ("bufferbloat grade", _grade),
        ("throughput: there / back, Mbit/s", _throughput),
        *((f"{one.model}, exchange, tokens/s at most", _most(one, None)) for one in MODELS),
        *((f"{one.model}, gloo, tokens/s at most", _most(one, "gloo")) for one in MODELS),
    )
    lines = [
        f"| | {' | '.join(HOMES[home] for home in reports)} |",
        f"|---|{'---|' * len(reports)}",
        *(f"| {name} | {' | '.join(map(figure, reports.values()))} |" for name, figure in rows),
    ]
    return "\n".join(lines) + "\n"


def _round_trip(report: Report) -> str:
    one = report.round_trip
    return f"{_ms(one.p50_s)} / {_ms(one.p95_s)}" if one else "-"


def _loaded(report: Report) -> str:
    one = report.loaded_round_trip
    return f"{_way(one.forward)} / {_way(one.back)}" if one else "-"


def _way(one: Loaded | None) -> str:
    return _ms(one.p50_s) if one else "-"


def _grade(report: Report) -> str:
    return report.loaded_round_trip.grade if report.loaded_round_trip else "-"


def _throughput(report: Report) -> str:
    one = report.throughput
    return f"{_mbit(one.forward_bytes_per_s)} / {_mbit(one.back_bytes_per_s)}" if one else "-"


def _mbit(bytes_per_s: float | None) -> str:
    return "-" if bytes_per_s is None else f"{bytes_per_s * 8 / 1e6:.0f}"


def _most(model: Waiting, backend: str | None) -> Callable[[Report], str]:
    def figure(report: Report) -> str:
        curve = report.exchange if backend is None else report.all_reduce.get(backend, ())
        return three(model.most_tokens_per_s(curve)) if curve else "-"

    return figure


def _ms(seconds: float) -> str:
    return three(seconds * 1e3)


def three(value: float) -> str:
    """Three significant figures at most, never in powers of ten."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{digits}f}"
