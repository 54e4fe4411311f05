"""Layouts whose tokens wait for round trips: tensor and pipeline parallel over a link with latency."""

from __future__ import annotations

from homecluster.domain.diagnosis import Cause
from homecluster.domain.units import format_rate, format_seconds
from homecluster.planner.causes.case import Case, Found
from homecluster.planner.causes.instead import alternatives, remedy

BINDS = 0.4
"""A term that takes this share of a token's time is a cause."""


def latency_bound_tensor_parallel(case: Case) -> Found | None:
    """Tensor parallel over PCs: most of a token's time is small messages waiting for one another."""
    judged = case.judged
    if judged is None or not judged.spans_pcs or judged.plan.layout.tensor_parallel == 1:
        return None
    estimate = judged.plan.estimate
    terms = estimate.terms
    if terms.network_latency_s < max(BINDS * terms.total_s, terms.network_transfer_s):
        return None
    helps = remedy(case, judged)
    if helps is None:
        return None
    to_do, gain = helps
    others_s = sum(seconds for name, seconds in terms.parts() if name != "network_latency_s")
    without_latency = judged.workload.concurrent_requests / others_s
    messages = f"{estimate.messages_per_token:.0f} messages per token"
    cause = Cause(
        id="latency-bound-tensor-parallel",
        summary=(
            f"tensor parallel over {len(judged.plan.nodes)} PCs sends {messages}, "
            f"each waiting for the one before: at a round trip of {format_seconds(case.round_trip_s())} that is "
            f"{format_seconds(terms.network_latency_s)} of the {format_seconds(terms.total_s)} per token, "
            f"so {format_rate(judged.rate)} tokens/s"
        ),
        evidence=(
            *_measured(case),
            f"{messages} one after the other, waiting {format_seconds(terms.network_latency_s)}",
            f"bytes take {format_seconds(terms.network_transfer_s)} per token: bandwidth alone would allow {format_rate(without_latency)} tokens/s",
            f"computing and reading memory take {format_seconds(terms.compute_s + terms.memory_s)}",
            *alternatives(case, judged),
        ),
        effect_tokens_per_s=gain,
        remedy=to_do,
    )
    return Found(cause=cause)


def latency_bound_pipeline(case: Case) -> Found | None:
    """Pipeline parallel over PCs: most of a token's time is waiting for the next stage's PC."""
    judged = case.judged
    if judged is None or not judged.spans_pcs or judged.plan.layout.pipeline_parallel == 1:
        return None
    terms = judged.plan.estimate.terms
    if terms.network_latency_s < max(BINDS * terms.total_s, terms.network_transfer_s):
        return None
    helps = remedy(case, judged)
    if helps is None:
        return None
    to_do, gain = helps
    stages = judged.plan.layout.pipeline_parallel
    cause = Cause(
        id="latency-bound-pipeline",
        summary=(
            f"each token passes {stages} stages on {len(judged.plan.nodes)} PCs and comes back: "
            f"{format_seconds(terms.network_latency_s)} of {format_seconds(terms.total_s)} per token are waiting for the link"
        ),
        evidence=(
            *_measured(case),
            f"round trip {format_seconds(case.round_trip_s())}; {judged.workload.concurrent_requests} in flight for {stages} stages",
            *alternatives(case, judged),
        ),
        effect_tokens_per_s=gain,
        remedy=to_do,
    )
    return Found(cause=cause)


def _measured(case: Case) -> tuple[str, ...]:
    """Whether the running job bears the prediction out; nothing without a running job."""
    measured = case.measured_rate
    if measured is None or case.judged is None:
        return ()
    return (
        f"measured now: {format_rate(measured)} tokens/s; predicted for this link: {format_rate(case.judged.rate)}",
    )
