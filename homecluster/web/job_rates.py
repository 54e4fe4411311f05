"""A running job's speed between two looks at its engine's own counters; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_SAMPLE: Final = re.compile(
    r"^(?P<name>[a-z_:]+)(?:\{[^\n]*\})?\s+(?P<value>[0-9.eE+-]+)$", re.MULTILINE
)
_WANTED: Final = {
    "vllm:generation_tokens_total": "tokens",
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:kv_cache_usage_perc": "kv_cache_ratio",
    "vllm:time_to_first_token_seconds_sum": "first_token_sum_s",
    "vllm:time_to_first_token_seconds_count": "first_token_count",
}

_BEYOND_ANY_COUNT: Final = 1e15


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the engine counted up to one moment; several engines of a job are added up."""

    at_s: float
    values: Mapping[str, float]


def read_counters(text: str, at_s: float) -> Counters:
    """The counters in Prometheus text; lines that are none are passed over."""
    values: dict[str, float] = {}
    for match in _SAMPLE.finditer(text):
        key = _WANTED.get(match["name"])
        if key is None:
            continue
        value = _number(match["value"])
        if value is not None:
            values[key] = values.get(key, 0.0) + value
    return Counters(at_s=at_s, values=values)


def _number(text: str) -> float | None:
    """None for what is none, and for what no engine can have counted."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < _BEYOND_ANY_COUNT else None


def rates(before: Counters | None, now: Counters, *, at: str) -> dict[str, Any] | None:
    """What the page shows of the time between two looks; None before there are two, or after a restart."""
    if before is None or now.at_s <= before.at_s or "tokens" not in now.values:
        return None
    made = now.values["tokens"] - before.values.get("tokens", 0.0)
    if made < 0:
        return None
    firsts = _grown(before, now, "first_token_count")
    return {
        "at": at,
        "output_tokens_per_s": made / (now.at_s - before.at_s),
        "first_token_s": _grown(before, now, "first_token_sum_s") / firsts if firsts > 0 else None,
        "kv_cache_ratio": now.values.get("kv_cache_ratio"),
        "running": int(now.values.get("running", 0)),
        "waiting": int(now.values.get("waiting", 0)),
    }


def _grown(before: Counters, now: Counters, key: str) -> float:
    return now.values.get(key, 0.0) - before.values.get(key, 0.0)
