"""The use cases behind `--speculate`: what drafting tokens would do for the best plan, and plans that do it."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.layout import Layout
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.errors import InputError
from homecluster.planner.estimate import Estimator
from homecluster.planner.rules import Refusal
from homecluster.planner.speculation import Speculated, speculated


def speculate_on_best(cluster: Cluster, plans: PlanSet) -> Speculated | None:
    """Of the best plan's first copy at its share of the requests; None where nothing fits."""
    if not plans.plans:
        return None
    best = plans.plans[0]
    layout: Layout = best.layout
    estimator = Estimator(cluster, plans.model, plans.workload, layout.small_collectives)
    prepared = estimator.prepare(layout.replicas[0])
    assert not isinstance(prepared, Refusal), "it was planned"
    running = max(1.0, best.estimate.running_requests / len(layout.replicas))
    return speculated(prepared.copy, plans.workload, running=running)


def with_drafts(plans: PlanSet, drafts: int) -> PlanSet:
    """The same plans, whose steps draft so many tokens; the estimates stay those without, for no text is known yet.

    Raises:
        InputError: the best plan runs several copies.
    """
    if drafts and plans.plans and len(plans.plans[0].layout.replicas) > 1:
        raise InputError(
            "several copies of a model are launched without drafting tokens so far",
            hint="pin one copy: --replicas 1",
        )
    drafting = (replace(plan, layout=replace(plan.layout, drafts=drafts)) for plan in plans.plans)
    return replace(plans, plans=tuple(drafting))
