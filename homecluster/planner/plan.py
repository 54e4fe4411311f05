"""The planner's whole answer: facts in, a PlanSet out; pure and deterministic."""

from __future__ import annotations

import hashlib

from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.exact.refine import refine
from homecluster.planner.problem import Pins, Problem
from homecluster.planner.ranking import rank
from homecluster.planner.search import search
from homecluster.planner.verdict import judge


def plan(cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> PlanSet:
    """Ranked plans within the pins, and the verdict on this cluster whatever is pinned."""
    everything = search(cluster, spec, workload, Pins())
    free, gap = refine(Problem(cluster, spec, workload, Pins()), cluster, everything)
    pinned = free if pins.free else search(cluster, spec, workload, pins)
    return PlanSet(
        model=spec,
        workload=workload,
        cluster_fingerprint=fingerprint(cluster),
        verdict=judge(cluster, spec, workload, free),
        plans=rank(pinned.found, workload),
        rejections=pinned.rejections,
        gap=gap if pins.free else None,
    )


def fingerprint(cluster: Cluster) -> str:
    """Sixteen hex digits that change when any fact of the cluster does, but not with the order of its PCs."""
    facts = sorted(map(repr, (*cluster.nodes, *cluster.links)))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
