"""Layouts that run, but not as well as another: too many PCs, a slow member, an uneven cut, too few requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from homecluster.domain.hardware import Device
from homecluster.domain.layout import Layout
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.units import format_rate, format_seconds
from homecluster.domain.workload import Goal
from homecluster.planner import explain
from homecluster.planner.causes.case import Case, Found, Judged, found, up_command
from homecluster.planner.causes.instead import remedy
from homecluster.planner.compute import effective_bandwidth
from homecluster.planner.estimate import Estimator
from homecluster.planner.rules import Refusal

_UNLIKE = 1.3
"""Two cards of one kind differ by a few percent; a fifth is still one card and its laptop sibling."""
_WORTH = 0.10
"""A change of less than a tenth drowns in the spread of measurements."""


def cannot_run(pinned: PlanSet, free: PlanSet) -> Found:
    """Nothing to judge: no layout within the pins runs here."""
    best = free.plans[0].estimate.output_tokens_per_s.mid if free.plans else 0.0
    return found(
        "cannot-run",
        "this layout cannot run here" if free.plans else free.verdict.reason,
        evidence=tuple(dict.fromkeys(r.detail for r in pinned.rejections))[:4],
        effect=best,
        do="a smaller or quantised model, fewer tokens per request, or a PC with more memory",
    )


def distributing_does_not_pay(case: Case) -> Found | None:
    """Several PCs work on it, and one alone would be faster."""
    judged = case.judged
    if judged is None or not judged.spans_pcs or not judged.free.plans:
        return None
    best = judged.free.plans[0]
    rate = best.estimate.output_tokens_per_s.mid
    helps = remedy(case, judged)
    if best.backend != "none" or rate <= judged.rate or helps is None:
        return None
    to_do, gain = helps
    label = explain.describe(best.layout, len(best.nodes))
    return found(
        "distributing-does-not-pay",
        f"{label} ({', '.join(best.nodes)}) gives {format_rate(rate)} tokens/s, this layout {format_rate(judged.rate)}",
        evidence=(judged.free.verdict.reason,),
        effect=gain,
        do=to_do.text,
        argv=to_do.argv,
    )


def slow_device_in_group(case: Case) -> Found | None:
    """Tensor parallel cuts a layer into equal shares, so every device waits for the slowest."""
    judged = case.judged
    if judged is None or judged.plan.layout.tensor_parallel == 1:
        return None
    slow, fast = _slowest_in_group(case, judged.plan.layout)
    ratio = effective_bandwidth(fast) / effective_bandwidth(slow)
    better = _best(judged, lambda plan: slow.id not in plan.layout.devices)
    if ratio < _UNLIKE or better is None:
        return None
    rate = better.estimate.output_tokens_per_s.mid
    if rate < (1 + _WORTH) * judged.rate:
        return None
    return found(
        "slow-device-in-tensor-group",
        f"{slow.name} on {slow.node_id} reads memory {format_rate(ratio)} times slower than {fast.name} on {fast.node_id}, "
        "and tensor parallel gives both the same share: the fast one waits",
        evidence=(f"without {slow.id}: {format_rate(rate)} tokens/s",),
        effect=rate - judged.rate,
        do=f"run {explain.describe(better.layout, len(better.nodes))} on {', '.join(better.nodes)}, which leaves it out",
        argv=up_command(judged, better),
    )


def uneven_split(case: Case) -> Found | None:
    """Another cut of the same layers over the same devices is faster."""
    judged = case.judged
    if judged is None or judged.plan.layout.pipeline_parallel == 1:
        return None
    better = _best(judged, lambda plan: _same_shape(plan.layout, judged.plan.layout))
    if better is None:
        return None
    rate = better.estimate.output_tokens_per_s.mid
    if rate < (1 + _WORTH) * judged.rate:
        return None
    now, then = judged.plan.layout.partition, better.layout.partition
    return found(
        "uneven-split",
        f"the layers are cut {_cut(now)} over these devices: one stage is much slower than the others, "
        f"and {format_seconds(judged.plan.estimate.terms.idle_s)} per token are stages waiting",
        evidence=(f"cut {_cut(then)}: {format_rate(rate)} tokens/s",),
        effect=rate - judged.rate,
        do=f"cut the layers {_cut(then)}: --partition {_cut(then)}",
        argv=(*up_command(judged, better), "--partition", _cut(then)),
    )


def too_little_concurrency(case: Case) -> Found | None:
    """A pipeline with fewer requests in flight than stages leaves PCs idle."""
    judged = case.judged
    if judged is None or judged.plan.layout.pipeline_parallel == 1:
        return None
    stages = judged.plan.layout.pipeline_parallel * len(judged.plan.layout.replicas)
    asked = judged.workload.concurrent_requests
    if asked >= stages or judged.workload.request_rate_per_s is not None:
        return None
    best = judged.free.plans[0].layout == judged.plan.layout if judged.free.plans else False
    if best and judged.workload.goal is Goal.LATENCY:
        return None  # one request is what was asked for, and nothing serves it faster
    more = Estimator(
        case.cluster, judged.spec, replace(judged.workload, concurrent_requests=2 * stages)
    ).estimate(judged.plan.layout)
    if isinstance(more, Refusal):
        return None
    rate = more.output_tokens_per_s.mid
    if rate < (1 + _WORTH) * judged.rate:
        return None
    return found(
        "too-little-concurrency",
        f"{asked} request{'s' if asked > 1 else ''} in flight for {stages} stages: the other stages have nothing to do",
        evidence=(
            f"{2 * stages} requests at once: {format_rate(rate)} tokens/s in all, no single one faster",
        ),
        effect=rate - judged.rate,
        do=f"send at least {stages} requests at a time, or run a layout for one request (homecluster plan --model {judged.spec.name})",
    )


def _slowest_in_group(case: Case, layout: Layout) -> tuple[Device, Device]:
    """(slowest, fastest) of the group in which they differ most."""
    groups = [
        [case.cluster.device(one) for one in stage.devices]
        for copy in layout.replicas
        for stage in copy
    ]
    pairs = [
        (min(group, key=effective_bandwidth), max(group, key=effective_bandwidth))
        for group in groups
    ]
    return max(pairs, key=lambda pair: effective_bandwidth(pair[1]) / effective_bandwidth(pair[0]))


def _best(judged: Judged, keep: Callable[[Plan], bool]) -> Plan | None:
    return max(
        (plan for plan in judged.free.plans if keep(plan)),
        key=lambda plan: plan.estimate.output_tokens_per_s.mid,
        default=None,
    )


def _same_shape(a: Layout, b: Layout) -> bool:
    return (
        a.partition != b.partition
        and (a.tensor_parallel, a.pipeline_parallel, len(a.replicas))
        == (b.tensor_parallel, b.pipeline_parallel, len(b.replicas))
        and set(a.devices) == set(b.devices)
    )


def _cut(partition: tuple[int, ...]) -> str:
    return ",".join(map(str, partition))
