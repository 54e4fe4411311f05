"""Jobs that wait for their own engine: a KV cache too small, a start that only looks stuck."""

from __future__ import annotations

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.units import format_bytes, format_seconds, format_traffic
from homecluster.planner.causes.case import Case, Found, Judged, found
from homecluster.planner.memory import engine_limits
from homecluster.planner.start_up import PROFILING_TRAFFIC

_LONG_SILENCE_S = 15.0
"""A start-up step without output that lasts longer looks stuck to a person."""
_PATIENCE = 3.0
"""A start that takes so many times its prediction is not merely slow."""


def start_up_looks_stuck(case: Case) -> Found | None:
    """The profiling pass sends a whole batch through every all-reduce before the first token."""
    judged, job = case.judged, case.signs.job
    if judged is None or (job is not None and job.state == "running"):
        return None
    wire_s = dict(judged.plan.estimate.start_up_parts).get(PROFILING_TRAFFIC, 0.0)
    if wire_s < _LONG_SILENCE_S:
        return None
    expected_s = judged.plan.estimate.start_up_s.mid
    if job is not None and job.elapsed_s and job.elapsed_s > _PATIENCE * expected_s:
        return None  # by now it is no longer this
    left = (
        f"; {format_seconds(job.elapsed_s)} of about {format_seconds(expected_s)} have passed"
        if job is not None and job.elapsed_s is not None
        else ""
    )
    return found(
        "start-up-looks-stuck",
        f"before its first token the engine is silent for about {format_seconds(wire_s)}: "
        f"its memory profiling pass sends a full batch through every all-reduce over this link; it is not stuck{left}",
        evidence=(
            f"start-up in all about {format_seconds(expected_s)}",
            f"about {format_traffic(_profiling_bytes(case, judged))} each way",
        ),
        do="wait it out, or choose a layout that keeps all-reduces inside one PC (a copy per PC, or pipeline parallel)",
    )


def kv_cache_too_small(case: Case) -> Found | None:
    """Fewer requests fit into the KV cache than are asked at once: others wait or are thrown out."""
    judged, job = case.judged, case.signs.job
    if job is not None and job.state == "running":
        return _preempting(case)
    if judged is None:
        return None
    estimate, asked = judged.plan.estimate, judged.workload.concurrent_requests
    if judged.workload.request_rate_per_s is not None or estimate.running_requests >= asked:
        return None
    free = judged.free.plans
    best = free[0].estimate.output_tokens_per_s.mid if free else judged.rate
    return found(
        "kv-cache-too-small",
        f"the KV cache holds {estimate.running_requests} of {asked} requests at once; the others wait {format_seconds(estimate.first_token_s.mid)} for their first token",
        evidence=(
            f"{estimate.kv_cache_tokens} tokens of cache, {format_bytes(min(use.kv_cache_bytes for use in estimate.memory))} on the tightest device",
        ),
        effect=max(0.0, best - judged.rate),
        do="shorter requests, a quantised checkpoint, or a layout over more devices (homecluster plan --all)",
    )


def _preempting(case: Case) -> Found | None:
    job = case.signs.job
    thrown_out = job.preemptions or 0.0 if job else 0.0
    waiting = job.requests_waiting or 0.0 if job else 0.0
    full = (job.kv_cache_usage_ratio or 0.0) >= _FULL if job else False
    if job is None or (not thrown_out and not (full and waiting >= 1)):
        return None
    window = f" in {format_seconds(job.window_s)}" if job.window_s else ""
    return found(
        "kv-cache-too-small",
        f"the KV cache is {100 * (job.kv_cache_usage_ratio or 0):.0f} % full: {thrown_out:.0f} requests were thrown out and computed again{window}, "
        f"{waiting:.0f} wait",
        evidence=(f"{job.requests_running:.0f} requests run",) if job.requests_running else (),
        do="fewer requests at a time, a shorter --max-model-len, a higher --memory-utilization, or a quantised checkpoint",
    )


_FULL = 0.97


def _profiling_bytes(case: Case, judged: Judged) -> float:
    """Activations of one full batch through every all-reduce, one way."""
    device = case.cluster.device(judged.plan.layout.devices[0])
    tokens = engine_limits(device, len(judged.plan.layout.devices)).batched_tokens
    layers = judged.spec.layers
    return float(tokens * judged.spec.hidden_size * DTYPE_BYTES[DType.BF16] * (2 * layers + 1))
