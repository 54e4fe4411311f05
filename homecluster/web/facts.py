"""Gathers what a page shows from saved documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from homecluster.app.plan import make_plans
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.diagnosis import diagnose
from homecluster.planner.problem import Pins
from homecluster.planner.sensitivity import sensitivity
from homecluster.web.page import PageFacts


def saved_facts(
    cluster: Cluster,
    spec: ModelSpec,
    workload: Serve,
    pins: Pins,
    *,
    history: Sequence[Mapping[str, Any]] = (),
) -> PageFacts:
    """What saved documents alone say: no job, no member, no clock but the one that stamps it.

    Raises:
        InputError: a pin contradicts the model, another pin or the cluster.
    """
    return PageFacts(
        cluster=cluster,
        plans=make_plans(cluster, spec, workload, pins),
        diagnosis=diagnose(cluster, spec, workload, pins),
        by_link=sensitivity(cluster, spec, workload),
        history=history,
        made_at=now(),
        live=False,
    )


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
