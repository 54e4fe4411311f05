"""What a local job did while it was watched: the engine's counters before and after."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from datetime import datetime

from homecluster.app.api_key import read_api_key
from homecluster.app.job_log import last_lines
from homecluster.app.jobs import JobView
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Running, Starting
from homecluster.domain.signs import JobSigns, LostWorker
from homecluster.engines.ray_log import given_up
from homecluster.engines.vllm_metrics import EngineCounters, between, parse_metrics
from homecluster.errors import HomeclusterError

_TIMEOUT_S = 3.0
_MOST_BYTES = 4 * 1024**2
_LINES = 400
"""Of the log's end: a job that lost a worker does not outlive it by many."""


def engine_counters(view: JobView) -> EngineCounters | None:
    """The engine's counters now; None while it does not answer."""
    spec = view.launch.spec
    url = spec.base_url.removesuffix("/v1") + "/metrics"
    request = urllib.request.Request(url)  # noqa: S310 - our own job's http address
    try:
        key = read_api_key(spec.api_key_file)
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return parse_metrics(answer.read(_MOST_BYTES).decode("utf-8", "replace"))
    except (OSError, ValueError, urllib.error.URLError, HomeclusterError):
        return None


def job_signs(
    view: JobView,
    before: EngineCounters | None,
    after: EngineCounters | None,
    seconds: float,
    *,
    scheduler_busy_ratio: float | None,
) -> JobSigns:
    """What the job did in those seconds; a start has a phase and an age instead."""
    elapsed_s = max(0.0, time.time() - datetime.fromisoformat(view.launch.created_at).timestamp())
    state = view.state
    lost = tuple(
        LostWorker(node=NodeId(address), reason=why)
        for address, why in given_up(last_lines(view.folder, _LINES))
    )
    if isinstance(state, Starting):
        return JobSigns(
            job=view.folder.job_id,
            state="starting",
            phase=state.phase,
            elapsed_s=elapsed_s,
            lost_workers=lost,
        )
    seen = between(before, after, seconds) if before and after else None
    return JobSigns(
        job=view.folder.job_id,
        state="running" if isinstance(state, Running) else "over",
        elapsed_s=elapsed_s,
        window_s=seconds,
        output_tokens_per_s=seen.output_tokens_per_s if seen else None,
        token_interval_s=seen.token_interval_s if seen else None,
        requests_running=seen.requests_running if seen else None,
        requests_waiting=seen.requests_waiting if seen else None,
        preemptions=seen.preemptions if seen else None,
        kv_cache_usage_ratio=seen.kv_cache_usage_ratio if seen else None,
        scheduler_busy_ratio=scheduler_busy_ratio,
        lost_workers=lost,
    )
