"""Which causes hold a cluster, plan or job back, most important first: runs every rule and ranks what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.signs import Signs
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.causes import choice, table
from homecluster.planner.causes.case import Case, Found, Judged, Rule
from homecluster.planner.causes.now import as_seen
from homecluster.planner.estimate import Estimator
from homecluster.planner.gaps import gaps, looked_at_anything
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.rules import Refusal

_LINK_CAUSES = ("latency-bound-tensor-parallel", "latency-bound-pipeline", "thin-link")
"""They say already that this layout loses to one PC, and why."""
_STARTING = "start-up-looks-stuck"
_SLOW_STARTS = (
    "memory-pressure",
    "wsl-memory-cap",
    "busy-elsewhere",
    "cpu-quota",
    "disk-bound-load",
)
"""While a job starts, what slows its start comes before what will slow its tokens; by how much programs wait."""
_SMALL = 0.02
"""An effect of less than this share of the rate comes last: it is within any measurement's spread."""
_BLOCKS, _NOW, _ROOTS, _SLOWS, _SMALL_ONES, _LAST = range(6)


def diagnose(
    cluster: Cluster,
    spec: ModelSpec,
    workload: Serve,
    pins: Pins,
    signs: Signs | None = None,
    *,
    on: frozenset[NodeId] | None = None,
) -> Diagnosis:
    """Judge the best plan under `pins`; without pins, what is typed by hand: tensor parallel over every PC.

    Signs that were just measured go before what the cluster document believes.
    With `on`, the PCs on which it runs already, only a plan on exactly these is judged.
    """
    seen = signs or Signs()
    believed, cluster = cluster, as_seen(cluster, seen)
    free = plan(cluster, spec, workload, Pins())
    pinned = free if pins.free else plan(cluster, spec, workload, pins)
    there = [one for one in pinned.plans if on is None or frozenset(one.nodes) == on]
    judged = _tensor_parallel_by_hand(free) if pins.free else next(iter(there), None)
    if judged is None:
        apart = _blocks(Case(cluster=cluster, signs=seen, judged=None))
        causes = (*(one.cause for one in apart), choice.cannot_run(pinned, free).cause)
        return Diagnosis(judged=None, causes=causes)
    return _judge(
        Case(
            cluster=cluster,
            signs=seen,
            judged=Judged(spec=spec, workload=workload, plan=judged, free=free),
            believed=believed,
        )
    )


def diagnose_signs(cluster: Cluster, signs: Signs) -> Diagnosis:
    """Judge what was seen, without a model: effects in tokens per second stay unknown."""
    return _judge(Case(cluster=as_seen(cluster, signs), signs=signs, judged=None, believed=cluster))


def _judge(case: Case) -> Diagnosis:
    blocks = _blocks(case)
    links = _find(table.LINKS, case)
    machines = _find(table.MACHINES, case)
    layouts = _without_repeats(_find(table.LAYOUTS, case))
    roots = _roots(case, links, layouts)
    placed = [(_BLOCKS, one) for one in blocks]
    placed += [(_place(case, one, roots), one) for one in (*links, *machines, *layouts)]
    placed += [(_LAST, one) for one in _find(table.LAST, case)]
    ranked = sorted(placed, key=lambda entry: (entry[0], -_weight(*entry)))
    return Diagnosis(
        judged=case.judged.plan if case.judged else None,
        causes=tuple(one.cause for _, one in ranked),
        gaps=tuple(
            gaps(case.believed or case.cluster, case.signs, has_plan=case.judged is not None)
        ),
        looked=case.judged is not None or looked_at_anything(case.signs),
    )


def _weight(place: int, found: Found) -> float:
    """Of causes in one place: a start has no tokens yet that could be gained."""
    return found.stalled_ratio if place == _NOW else found.cause.effect_tokens_per_s


def _find(rules: Sequence[Rule], case: Case) -> list[Found]:
    return [found for rule in rules if (found := rule(case)) is not None]


def _blocks(case: Case) -> list[Found]:
    return _find(table.BLOCKS, case)


def _without_repeats(layouts: list[Found]) -> list[Found]:
    if any(one.cause.id in _LINK_CAUSES for one in layouts):
        return [one for one in layouts if one.cause.id != "distributing-does-not-pay"]
    return layouts


def _place(case: Case, found: Found, roots: frozenset[str]) -> int:
    cause = found.cause
    job = case.signs.job
    starts = job is not None and job.state == "starting"
    if cause.id == _STARTING:
        return _NOW if starts else _SMALL_ONES
    if starts and cause.id in _SLOW_STARTS:
        return _NOW
    if cause.id in roots:
        return _ROOTS
    if case.judged is None:
        return _SLOWS
    if cause.effect_tokens_per_s < _SMALL * case.judged.rate:
        return _SMALL_ONES
    return _SLOWS


def _roots(case: Case, links: list[Found], layouts: list[Found]) -> frozenset[str]:
    """Link troubles without which a layout's trouble would not be there: they are why.

    A layout that waits for its link also on a healthy link is wrong by itself; then effects decide.
    """
    symptoms = {one.cause.id for one in layouts if one.cause.id in _LINK_CAUSES}
    if case.judged is None or not symptoms:
        return frozenset()
    found = set()
    for link in links:
        if link.mended is None or link.cause.effect_tokens_per_s < _SMALL * case.judged.rate:
            continue
        healthy = _mended_case(case, link.mended)
        left = {one.cause.id for one in _find(table.LAYOUTS, healthy)} if healthy else set()
        if not symptoms & left:
            found.add(link.cause.id)
    return frozenset(found)


def _mended_case(case: Case, mended: Cluster) -> Case | None:
    assert case.judged is not None
    judged = case.judged
    estimate = Estimator(mended, judged.spec, judged.workload).estimate(judged.plan.layout)
    if isinstance(estimate, Refusal):
        return None
    free = plan(mended, judged.spec, judged.workload, Pins())
    there = replace(judged, plan=replace(judged.plan, estimate=estimate), free=free)
    return Case(cluster=mended, signs=case.signs, judged=there)


def _tensor_parallel_by_hand(free: PlanSet) -> Plan | None:
    spanning = [p for p in free.plans if p.backend != "none" and len(p.layout.replicas) == 1]
    tensor = [p for p in spanning if p.layout.pipeline_parallel == 1]
    by_hand = tensor or spanning or free.plans
    return max(by_hand, key=lambda p: len(p.layout.devices), default=None)
