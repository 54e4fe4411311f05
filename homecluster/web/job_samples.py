"""A running job's speed over the last minutes, from looks at its engine's own counters; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.engines.vllm_metrics import EngineCounters, EngineWindow, between

MOST_SAMPLES: Final = 300
"""Five minutes of a look each second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSamples:
    """What was seen of one job so far."""

    counters: EngineCounters
    at_s: float
    """Monotonic, of the counters."""
    window: EngineWindow | None = None
    """Between the last two looks; None before there are two, or after the engine began anew."""
    points: tuple[tuple[float, float, float | None], ...] = ()
    """(Unix time, output tokens/s, share of the KV cache in use), the oldest first."""


def sampled(
    before: JobSamples | None, counters: EngineCounters, *, at_s: float, unix_s: float
) -> JobSamples:
    """With one look more; the counters of an engine that began anew begin a new window."""
    if before is None or at_s <= before.at_s:
        return JobSamples(counters=counters, at_s=at_s)
    window = between(before.counters, counters, at_s - before.at_s)
    rate = window.output_tokens_per_s
    if rate is None:
        return JobSamples(counters=counters, at_s=at_s, points=before.points)
    point = (round(unix_s, 1), rate, window.kv_cache_usage_ratio)
    points = (*before.points, point)[-MOST_SAMPLES:]
    return JobSamples(counters=counters, at_s=at_s, window=window, points=points)
