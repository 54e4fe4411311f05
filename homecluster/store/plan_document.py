"""A PlanSet as the plan document that scripts and the dashboard read."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any, Final

from homecluster.domain.estimate import Estimate, Interval
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, PlanSet, Rejection, Verdict
from homecluster.domain.workload import Serve
from homecluster.planner.weights import active_parameters, parameter_count

SCHEMA: Final = "homecluster.plan/1"


def plan_document(plans: PlanSet) -> dict[str, Any]:
    """The whole document; `commands` are filled in by `up --dry-run`."""
    return {
        "schema": SCHEMA,
        "model": model_table(plans.model),
        "workload": workload_table(plans.workload),
        "cluster_fingerprint": plans.cluster_fingerprint,
        "verdict": verdict_table(plans.verdict),
        "plans": [plan_table(plan) for plan in plans.plans],
        "rejections": [rejection_table(rejection) for rejection in plans.rejections],
        "what_if": [],
        "gap": plans.gap if plans.gap is None or isfinite(plans.gap) else None,
    }


def model_table(spec: ModelSpec) -> dict[str, Any]:
    return asdict(spec) | {
        "parameters": parameter_count(spec),
        "active_parameters": active_parameters(spec),
    }


def workload_table(workload: Serve) -> dict[str, Any]:
    return asdict(workload) | {"max_model_len": workload.context_tokens}


def verdict_table(verdict: Verdict) -> dict[str, Any]:
    return asdict(verdict)


def plan_table(plan: Plan) -> dict[str, Any]:
    """An entry of the plan document's `plans`."""
    layout = plan.layout
    return {
        "rank": plan.rank,
        "engine": layout.engine,
        "backend": plan.backend,
        "backend_rule": plan.backend_rule,
        "backend_reason": plan.backend_reason,
        "tensor_parallel": layout.tensor_parallel,
        "pipeline_parallel": layout.pipeline_parallel,
        "replicas": len(layout.replicas),
        "small_collectives": str(layout.small_collectives),
        "drafts": layout.drafts,
        "nodes": list(plan.nodes),
        "partition": list(layout.partition),
        "stages": [
            {
                "replica": index,
                "devices": list(stage.devices),
                "layers": [stage.layer_start, stage.layer_stop],
            }
            for index, copy in enumerate(layout.replicas)
            for stage in copy
        ],
        "reason": plan.reason,
        "estimate": estimate_table(plan.estimate),
        "commands": [],
    }


def estimate_table(estimate: Estimate) -> dict[str, Any]:
    """The plan document's `estimate`: base units, the unit last in each name."""
    table = {
        name: _interval(getattr(estimate, name))
        for name in (
            "output_tokens_per_s",
            "total_tokens_per_s",
            "requests_per_s",
            "first_token_s",
            "token_interval_s",
            "start_up_s",
        )
    }
    return table | {
        "start_up_parts": dict(estimate.start_up_parts),
        "terms": dict(estimate.terms.parts()),
        "memory": [asdict(use) for use in estimate.memory],
        "kv_cache_tokens": estimate.kv_cache_tokens,
        "running_requests": estimate.running_requests,
        "messages_per_token": estimate.messages_per_token,
        "bottleneck": estimate.bottleneck,
        "assumptions": list(estimate.assumptions),
    }


def rejection_table(rejection: Rejection) -> dict[str, Any]:
    return asdict(rejection)


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "mid": interval.mid, "high": interval.high}
