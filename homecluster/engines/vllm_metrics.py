"""What vLLM's /metrics page says: Prometheus text -> the few values that a diagnosis needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_MOST_LINES: Final = 20_000
"""A page of vLLM 0.32 has about 600; anything beyond is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCounters:
    """Counters since the start and gauges of now; None where the page does not say."""

    generated_tokens: float | None = None
    prompt_tokens: float | None = None
    preemptions: float | None = None
    requests_running: float | None = None
    requests_waiting: float | None = None
    kv_cache_usage_ratio: float | None = None
    token_interval_sum_s: float | None = None
    token_interval_count: float | None = None
    first_token_sum_s: float | None = None
    first_token_count: float | None = None


_SUMMED: Final = {
    "vllm:generation_tokens_total": "generated_tokens",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:num_requests_running": "requests_running",
    "vllm:num_requests_waiting": "requests_waiting",
    "vllm:inter_token_latency_seconds_sum": "token_interval_sum_s",
    "vllm:inter_token_latency_seconds_count": "token_interval_count",
    "vllm:time_per_output_token_seconds_sum": "token_interval_sum_s",
    "vllm:time_per_output_token_seconds_count": "token_interval_count",
    "vllm:time_to_first_token_seconds_sum": "first_token_sum_s",
    "vllm:time_to_first_token_seconds_count": "first_token_count",
}
"""Metric of vLLM 0.32 (and the older name of one) -> field; engines of one server add up."""
_HIGHEST: Final = {
    "vllm:kv_cache_usage_perc": "kv_cache_usage_ratio",
    "vllm:gpu_cache_usage_perc": "kv_cache_usage_ratio",
}
"""Gauges of which the fullest engine counts; called a percentage, they are a share of 1."""


def parse_metrics(text: str) -> EngineCounters:
    """The counters of a page; lines that are cut off, foreign or not numbers are passed over."""
    found: dict[str, float] = {}
    for line in text.splitlines()[:_MOST_LINES]:
        if line.startswith("#"):
            continue
        name, value = _sample(line)
        if value is None:
            continue
        if name in _SUMMED:
            field = _SUMMED[name]
            found[field] = found.get(field, 0.0) + value
        elif name in _HIGHEST:
            field = _HIGHEST[name]
            found[field] = max(found.get(field, 0.0), value)
    return EngineCounters(**found)


def _sample(line: str) -> tuple[str, float | None]:
    """(metric, value) of `name{labels} value`; a label may hold spaces, so the value is the last word."""
    head, _, last = line.strip().rpartition(" ")
    name = head.partition("{")[0].strip()
    if "{" in head and not head.endswith("}"):
        return name, None
    try:
        value = float(last)
    except ValueError:
        return name, None
    return name, value if math.isfinite(value) and value >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineWindow:
    """What happened between two looks."""

    seconds: float
    output_tokens_per_s: float | None
    token_interval_s: float | None
    first_token_s: float | None
    preemptions: float | None
    requests_running: float | None
    """The higher of both looks, as the next two."""
    requests_waiting: float | None
    kv_cache_usage_ratio: float | None


def between(before: EngineCounters, after: EngineCounters, seconds: float) -> EngineWindow:
    """Rates of the counters' growth; a counter that fell belongs to a new engine and says nothing."""
    tokens = _grown(before.generated_tokens, after.generated_tokens)
    return EngineWindow(
        seconds=seconds,
        output_tokens_per_s=tokens / seconds if tokens is not None and seconds > 0 else None,
        token_interval_s=_mean(
            _grown(before.token_interval_sum_s, after.token_interval_sum_s),
            _grown(before.token_interval_count, after.token_interval_count),
        ),
        first_token_s=_mean(
            _grown(before.first_token_sum_s, after.first_token_sum_s),
            _grown(before.first_token_count, after.first_token_count),
        ),
        preemptions=_grown(before.preemptions, after.preemptions),
        requests_running=_higher(before.requests_running, after.requests_running),
        requests_waiting=_higher(before.requests_waiting, after.requests_waiting),
        kv_cache_usage_ratio=_higher(before.kv_cache_usage_ratio, after.kv_cache_usage_ratio),
    )


def _mean(total: float | None, count: float | None) -> float | None:
    return total / count if total is not None and count else None


def _higher(before: float | None, after: float | None) -> float | None:
    """Of a gauge that may fall to nothing in the moment of looking."""
    return max((one for one in (before, after) if one is not None), default=None)


def _grown(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or after < before:
        return None
    return after - before
