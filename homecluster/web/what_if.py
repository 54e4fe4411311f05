"""Answers the page's what-if panel with the real planner."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.planner.candidates import Pins
from homecluster.planner.plan import plan
from homecluster.planner.what_if import with_links
from homecluster.store.plan_document import plan_table, verdict_table

_MOST_REQUESTS = 4096


def answer(
    cluster: Cluster, spec: ModelSpec, workload: Serve, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """The best plan if every link had the asked round trip and bandwidth.

    Raises:
        InputError: a value that is no positive finite number.
    """
    began_s = time.perf_counter()
    requests = _whole(asked, "concurrency", workload.concurrent_requests)
    goal = Goal.LATENCY if requests == 1 else Goal.THROUGHPUT
    supposed = replace(workload, concurrent_requests=requests, request_rate_per_s=None, goal=goal)
    rtt_s, rate = _positive(asked, "rtt_s"), _positive(asked, "bandwidth_bytes_per_s")
    changed = with_links(cluster, rtt_s=rtt_s, bandwidth=rate) if rtt_s or rate else cluster
    plans = plan(changed, spec, supposed, Pins())
    return {
        "schema": "homecluster.what_if/1",
        "model": spec.name,
        "verdict": verdict_table(plans.verdict),
        "best_plan": plan_table(plans.plans[0]) if plans.plans else None,
        "took_s": time.perf_counter() - began_s,
    }


def _positive(asked: Mapping[str, Any], key: str) -> float | None:
    value = asked.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{key} is not a number")
    if not math.isfinite(value) or not 1e-9 < value < 1e15:  # noqa: PLR2004 - beyond anything a link can be
        raise InputError(f"{key} is out of range")
    return float(value)


def _whole(asked: Mapping[str, Any], key: str, default: int) -> int:
    value = asked.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_REQUESTS:
        raise InputError(f"{key} must be a whole number from 1 to {_MOST_REQUESTS}")
    return value
