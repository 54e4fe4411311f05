"""A TrainPlanSet, and ZeRO's memory without a model, as the plan document that scripts read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from homecluster.domain.estimate import Interval
from homecluster.domain.training import Train, TrainEstimate, TrainPlan, TrainPlanSet
from homecluster.planner.training.model_states import ZeroMemory
from homecluster.store.plan_document import SCHEMA, model_table, verdict_table


def train_document(plans: TrainPlanSet) -> dict[str, Any]:
    """The whole document; `commands` are filled in where it is launched."""
    return {
        "schema": SCHEMA,
        "model": model_table(plans.model) | {"trainable_parameters": plans.trainable_parameters},
        "workload": train_workload_table(plans.workload),
        "cluster_fingerprint": plans.cluster_fingerprint,
        "verdict": verdict_table(plans.verdict),
        "plans": [train_plan_table(plan) for plan in plans.plans],
        "rejections": [asdict(rejection) for rejection in plans.rejections],
        "what_if": [],
    }


def train_workload_table(workload: Train) -> dict[str, Any]:
    return {"kind": "train"} | asdict(workload)


def train_plan_table(plan: TrainPlan) -> dict[str, Any]:
    """An entry of the training plan document's `plans`."""
    return {
        "rank": plan.rank,
        "engine": "deepspeed",
        "method": plan.method,
        "zero_stage": plan.zero_stage,
        "offload": plan.offload,
        "recompute": plan.recompute,
        "overlap": plan.overlap,
        "micro_batch": [
            {"device": device, "samples": samples} for device, samples in plan.micro_batch
        ],
        "gradient_accumulation": plan.gradient_accumulation,
        "nodes": list(plan.nodes),
        "reason": plan.reason,
        "estimate": _estimate_table(plan.estimate),
        "commands": [],
    }


def zero_document(parameters: float, devices: int, rows: Sequence[ZeroMemory]) -> dict[str, Any]:
    """Model states per device for each ZeRO stage, without a model."""
    return {
        "schema": SCHEMA,
        "parameters": parameters,
        "devices": devices,
        "zero_memory": [asdict(row) for row in rows],
    }


def _estimate_table(estimate: TrainEstimate) -> dict[str, Any]:
    return {
        "step_s": _interval(estimate.step_s),
        "samples_per_s": _interval(estimate.samples_per_s),
        "tokens_per_s": _interval(estimate.tokens_per_s),
        "terms": dict(estimate.terms.parts()),
        "hidden_s": estimate.hidden_s,
        "sent_bytes": estimate.sent_bytes,
        "memory": [asdict(use) for use in estimate.memory],
        "bottleneck": estimate.bottleneck,
        "assumptions": list(estimate.assumptions),
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "mid": interval.mid, "high": interval.high}
