"""The use case behind `plan --speculate`: what drafting tokens would do for the best plan."""

from __future__ import annotations

from homecluster.domain.layout import Layout
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
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
