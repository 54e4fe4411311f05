"""Why a planned layout is slow or cannot run, from the same terms as its estimate; one small rule per cause."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.diagnosis import Cause, Diagnosis, Remedy
from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.units import (
    format_bytes,
    format_link_rate,
    format_rate,
    format_seconds,
    format_traffic,
)
from homecluster.domain.workload import Serve
from homecluster.planner import explain
from homecluster.planner.candidates import Pins
from homecluster.planner.estimate import Estimator
from homecluster.planner.memory import engine_limits
from homecluster.planner.network import Fabric
from homecluster.planner.plan import plan
from homecluster.planner.rules import Refusal
from homecluster.planner.search import MULTI_PC_MARGIN
from homecluster.planner.start_up import PROFILING_TRAFFIC
from homecluster.planner.what_if import LINK_PRESETS, with_links

_BINDS = 0.4
"""A term that takes this share of a token's time is a cause."""
_LONG_SILENCE_S = 15.0
"""A start-up step without output that lasts longer looks stuck to a person."""
_ETHERNET = "1gbe"
_LINK_CAUSES = ("latency-bound-tensor-parallel", "latency-bound-pipeline", "thin-link")
"""They say already that this layout loses to one PC, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """Everything the rules may look at."""

    cluster: Cluster
    spec: ModelSpec
    workload: Serve
    judged: Plan
    free: PlanSet
    """Plans without pins: where remedies come from."""

    @property
    def rate(self) -> float:
        return self.judged.estimate.output_tokens_per_s.mid

    @property
    def spans_pcs(self) -> bool:
        return self.judged.backend != "none"


def diagnose(cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> Diagnosis:
    """Judge the best plan under `pins`; without pins, what is typed by hand: tensor parallel over every PC."""
    free = plan(cluster, spec, workload, Pins())
    pinned = free if pins.free else plan(cluster, spec, workload, pins)
    judged = _tensor_parallel_by_hand(free) if pins.free else next(iter(pinned.plans), None)
    if judged is None:
        return Diagnosis(judged=None, causes=(_cannot_run(pinned, free),))
    case = _Case(cluster=cluster, spec=spec, workload=workload, judged=judged, free=free)
    rules = (
        _latency_bound_tensor_parallel,
        _latency_bound_pipeline,
        _thin_link,
        _distributing_does_not_pay,
        _start_up_looks_stuck,
        _kv_cache_too_small,
    )
    causes = [cause for rule in rules if (cause := rule(case)) is not None]
    if any(cause.id in _LINK_CAUSES for cause in causes):
        causes = [cause for cause in causes if cause.id != "distributing-does-not-pay"]
    return Diagnosis(
        judged=judged, causes=tuple(sorted(causes, key=lambda c: -c.effect_tokens_per_s))
    )


def _tensor_parallel_by_hand(free: PlanSet) -> Plan | None:
    spanning = [p for p in free.plans if p.backend != "none" and len(p.layout.replicas) == 1]
    tensor = [p for p in spanning if p.layout.pipeline_parallel == 1]
    by_hand = tensor or spanning or free.plans
    return max(by_hand, key=lambda p: len(p.layout.devices), default=None)


def _latency_bound_tensor_parallel(case: _Case) -> Cause | None:
    estimate = case.judged.estimate
    terms = estimate.terms
    if not case.spans_pcs or case.judged.layout.tensor_parallel == 1:
        return None
    helps = _remedy(case)
    if terms.network_latency_s < _BINDS * terms.total_s or helps is None:
        return None
    remedy, gain = helps
    round_trip = _slowest_round_trip(case)
    without_latency = case.workload.concurrent_requests / (terms.total_s - terms.network_latency_s)
    return Cause(
        id="latency-bound-tensor-parallel",
        summary=(
            f"tensor parallel over {len(case.judged.nodes)} PCs sends {estimate.messages_per_token:.0f} messages per token, "
            f"each waiting for the one before: at a round trip of {format_seconds(round_trip)} that is "
            f"{format_seconds(terms.network_latency_s)} of the {format_seconds(terms.total_s)} per token, "
            f"so {format_rate(case.rate)} tokens/s"
        ),
        evidence=(
            f"{estimate.messages_per_token:.0f} messages per token one after the other, waiting {format_seconds(terms.network_latency_s)}",
            f"bytes take {format_seconds(terms.network_transfer_s)} per token: bandwidth alone would allow {format_rate(without_latency)} tokens/s",
            f"computing and reading memory take {format_seconds(terms.compute_s + terms.memory_s)}",
            *_alternatives(case),
        ),
        effect_tokens_per_s=gain,
        remedy=remedy,
    )


def _latency_bound_pipeline(case: _Case) -> Cause | None:
    terms = case.judged.estimate.terms
    stages = case.judged.layout.pipeline_parallel
    if not case.spans_pcs or stages == 1 or terms.network_latency_s < _BINDS * terms.total_s:
        return None
    helps = _remedy(case)
    if helps is None:
        return None
    remedy, gain = helps
    requests = case.workload.concurrent_requests
    return Cause(
        id="latency-bound-pipeline",
        summary=(
            f"each token passes {stages} stages on {len(case.judged.nodes)} PCs and comes back: "
            f"{format_seconds(terms.network_latency_s)} of {format_seconds(terms.total_s)} per token are waiting for the link"
        ),
        evidence=(
            f"round trip {format_seconds(_slowest_round_trip(case))}; {requests} in flight for {stages} stages",
            *_alternatives(case),
        ),
        effect_tokens_per_s=gain,
        remedy=remedy,
    )


def _thin_link(case: _Case) -> Cause | None:
    terms = case.judged.estimate.terms
    helps = _remedy(case)
    if not case.spans_pcs or terms.network_transfer_s < _BINDS * terms.total_s or helps is None:
        return None
    remedy, gain = helps
    slowest = min(
        (link for link in case.cluster.links if {link.src, link.dst} <= set(case.judged.nodes)),
        key=lambda link: link.bandwidth_bytes_per_s,
    )
    return Cause(
        id="thin-link",
        summary=(
            f"moving bytes takes {format_seconds(terms.network_transfer_s)} of {format_seconds(terms.total_s)} per token: "
            f"{slowest.src} to {slowest.dst} carries {format_link_rate(slowest.bandwidth_bytes_per_s)}"
        ),
        evidence=_alternatives(case),
        effect_tokens_per_s=gain,
        remedy=remedy,
    )


def _distributing_does_not_pay(case: _Case) -> Cause | None:
    best = case.free.plans[0] if case.free.plans else case.judged
    rate = best.estimate.output_tokens_per_s.mid
    helps = _remedy(case)
    if not case.spans_pcs or best.backend != "none" or rate <= case.rate or helps is None:
        return None
    remedy, gain = helps
    label = explain.describe(best.layout, len(best.nodes))
    return Cause(
        id="distributing-does-not-pay",
        summary=f"{label} ({', '.join(best.nodes)}) gives {format_rate(rate)} tokens/s, this layout {format_rate(case.rate)}",
        evidence=(case.free.verdict.reason,),
        effect_tokens_per_s=gain,
        remedy=remedy,
    )


def _start_up_looks_stuck(case: _Case) -> Cause | None:
    parts = dict(case.judged.estimate.start_up_parts)
    wire_s = parts.get(PROFILING_TRAFFIC, 0.0)
    if wire_s < _LONG_SILENCE_S:
        return None
    return Cause(
        id="start-up-looks-stuck",
        summary=(
            f"before its first token the engine is silent for about {format_seconds(wire_s)}: "
            "its memory profiling pass sends a full batch through every all-reduce over this link; it is not stuck"
        ),
        evidence=(
            f"start-up in all about {format_seconds(case.judged.estimate.start_up_s.mid)}",
            f"about {format_traffic(_profiling_bytes(case))} each way",
        ),
        effect_tokens_per_s=0.0,
        remedy=Remedy(
            text="wait it out, or choose a layout that keeps all-reduces inside one PC (a copy per PC, or pipeline parallel)"
        ),
    )


def _kv_cache_too_small(case: _Case) -> Cause | None:
    estimate, asked = case.judged.estimate, case.workload.concurrent_requests
    if case.workload.request_rate_per_s is not None or estimate.running_requests >= asked:
        return None
    best = case.free.plans[0].estimate.output_tokens_per_s.mid if case.free.plans else case.rate
    return Cause(
        id="kv-cache-too-small",
        summary=f"the KV cache holds {estimate.running_requests} of {asked} requests at once; the others wait {format_seconds(estimate.first_token_s.mid)} for their first token",
        evidence=(
            f"{estimate.kv_cache_tokens} tokens of cache, {format_bytes(min(use.kv_cache_bytes for use in estimate.memory))} on the tightest device",
        ),
        effect_tokens_per_s=max(0.0, best - case.rate),
        remedy=Remedy(
            text="shorter requests, a quantised checkpoint, or a layout over more devices (homecluster plan --all)"
        ),
    )


def _cannot_run(pinned: PlanSet, free: PlanSet) -> Cause:
    evidence = tuple(dict.fromkeys(r.detail for r in pinned.rejections))[:4]
    best = free.plans[0].estimate.output_tokens_per_s.mid if free.plans else 0.0
    return Cause(
        id="cannot-run",
        summary="this layout cannot run here" if free.plans else free.verdict.reason,
        evidence=evidence,
        effect_tokens_per_s=best,
        remedy=Remedy(
            text="a smaller or quantised model, fewer tokens per request, or a PC with more memory"
        ),
    )


def _alternatives(case: _Case) -> tuple[str, ...]:
    """The speeds of what could be done instead, on this link and on a cable."""
    lines = []
    for label, pick in (
        ("a copy on each PC", lambda p: len(p.layout.replicas) > 1 and p.backend == "none"),
        ("one PC alone", lambda p: len(p.nodes) == 1),
        (
            "pipeline parallel over the PCs",
            lambda p: p.backend != "none" and p.layout.pipeline_parallel > 1,
        ),
    ):
        found = [p for p in case.free.plans if pick(p) and p.layout != case.judged.layout]
        if found:
            rate = max(p.estimate.output_tokens_per_s.mid for p in found)
            lines.append(f"instead: {label}: {format_rate(rate)} tokens/s")
    cable = _on_ethernet(case)
    if cable > case.rate:
        lines.append(
            f"instead: this layout over an Ethernet cable ({_ETHERNET}): {format_rate(cable)} tokens/s"
        )
    return tuple(lines)


def _on_ethernet(case: _Case) -> float:
    """Tokens per second of the judged layout with every pair of PCs on a cable."""
    cabled = with_links(case.cluster, rtt_s=None, bandwidth=None, preset=LINK_PRESETS[_ETHERNET])
    estimate = Estimator(cabled, case.spec, case.workload).estimate(case.judged.layout)
    return 0.0 if isinstance(estimate, Refusal) else estimate.output_tokens_per_s.mid


def _remedy(case: _Case) -> tuple[Remedy, float] | None:
    """What helps, and by how many tokens per second: another layout, else a cable; None if neither does."""
    best = case.free.plans[0]
    gain = best.estimate.output_tokens_per_s.mid - case.rate
    if gain > 0:
        label = explain.describe(best.layout, len(best.nodes))
        text = f"run {label} on {', '.join(best.nodes)}: {format_rate(case.rate + gain)} tokens/s"
        flags = _pin_flags(best.layout)
        if len(best.nodes) > 1:
            flags = (*flags, "--nodes", ",".join(best.nodes))
        return Remedy(
            text=text, argv=("homecluster", "up", "--model", case.spec.name, *flags)
        ), gain
    cable = _on_ethernet(case)
    if case.spans_pcs and cable > MULTI_PC_MARGIN * case.rate:
        text = f"join the PCs by an Ethernet cable ({_ETHERNET}): this layout then gives {format_rate(cable)} tokens/s"
        return Remedy(text=text), cable - case.rate
    return None


def _pin_flags(layout: Layout) -> tuple[str, ...]:
    return (
        "--tensor-parallel", str(layout.tensor_parallel),
        "--pipeline-parallel", str(layout.pipeline_parallel),
        "--replicas", str(len(layout.replicas)),
    )  # fmt: skip


def _slowest_round_trip(case: _Case) -> float:
    fabric, nodes = Fabric(case.cluster), case.judged.nodes
    return max(fabric.round_trip(a, b) for a in nodes for b in nodes if a != b)


def _profiling_bytes(case: _Case) -> float:
    """Activations of one full batch through every all-reduce, one way."""
    device = case.cluster.device(case.judged.layout.devices[0])
    tokens = engine_limits(device, len(case.judged.layout.devices)).batched_tokens
    return float(
        tokens * case.spec.hidden_size * DTYPE_BYTES[DType.BF16] * (2 * case.spec.layers + 1)
    )
