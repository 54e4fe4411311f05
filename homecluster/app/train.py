"""The use case `up --train`: train on this PC, or with others, go on without a lost one, and compare with the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from homecluster.app.copies_places import Home
from homecluster.app.gang_trust import check_trust
from homecluster.app.model_files import Tell
from homecluster.app.plan import only
from homecluster.app.train_job import TrainJob
from homecluster.app.train_ready import Ready, Run, make_ready
from homecluster.app.train_run import Attempt, attempt
from homecluster.app.training_packages import engine_that_trains
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Method, TrainPlan, TrainPlanSet
from homecluster.errors import HomeclusterError, InputError
from homecluster.launch.train_cause import Lost
from homecluster.store.files import write_json
from homecluster.store.train_document import train_plan_table
from homecluster.store.train_rows import read_rows

SCHEMA: Final = "homecluster.train/1"
_CHECKPOINTS: Final = "checkpoints/step-*"

Plans = Callable[[Cluster, tuple[NodeId, ...]], TrainPlanSet]
"""How this training would run on a cluster, or on those PCs of it that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What `up --train` was asked for, beyond the plan."""

    run: Run
    data: Path
    output: Path
    resume: bool
    nodes: tuple[NodeId, ...] = ()
    """PCs that shall train together; none: the plan chooses."""
    trust_network: bool = False


def choose(plans: TrainPlanSet, own: NodeId, nodes: tuple[NodeId, ...] = ()) -> TrainPlan:
    """The best plan in which this PC takes part, on exactly `nodes` where they are named.

    Raises:
        InputError: the method is only planned, or this PC was left out.
        HomeclusterError: no such training fits; says why (exit 1).
    """
    if plans.workload.method is Method.QLORA:
        raise InputError(
            "qlora is planned, not launched yet",
            hint="--method lora trains adapters beside 16-bit weights.",
        )
    if nodes and own not in nodes:
        raise InputError(
            f"this PC ({own}) is none of {', '.join(nodes)}, and it keeps the result",
            hint=f"type it on {nodes[0]}, or name this PC too.",
        )
    able = [
        plan
        for plan in plans.plans
        if own in plan.nodes and (not nodes or set(plan.nodes) == set(nodes))
    ]
    if not able:
        where = " and ".join(nodes) or "this PC"
        why = next((one.detail for one in plans.rejections if set(one.nodes) == set(nodes)), plans.verdict.reason)  # fmt: skip
        raise HomeclusterError(
            f"no training on {where} fits: {why}",
            hint=f"homecluster plan --train --model {plans.model.name} --all shows every refusal.",
        )
    return able[0]


def train(home: Home, plans_of: Plans, asked: Training, tell: Tell) -> dict[str, Any]:
    """Train to the end; the document has measured beside predicted, and which PCs were lost.

    A PC that goes away is left out, and the others go on from the last checkpoint.

    Raises:
        InputError, MissingError, PeerError, LaunchError: as `make_ready` and `attempt`.
    """
    read_rows(asked.data)  # a wrong line is named here, not by a rank that has the model already
    with TrainJob(home.here.paths, home.here.node.id, asked.output) as job:
        ended, plan, lost = _to_the_end(home, plans_of, asked, job, tell)
    document = {
        "schema": SCHEMA,
        "plan": train_plan_table(plan),
        "predicted": {"samples_per_s": train_plan_table(plan)["estimate"]["samples_per_s"]},
        "measured": ended,
        "lost": [{"node": one.name, "reason": one.reason} for one in lost],
    }
    write_json(asked.output / "training.json", document)
    return document


def _to_the_end(
    home: Home, plans_of: Plans, asked: Training, job: TrainJob, tell: Tell
) -> tuple[dict[str, Any], TrainPlan, list[Lost]]:
    """What rank 0 measured in the last attempt, that attempt's plan, and who was lost before."""
    lost: list[Lost] = []
    resume = asked.resume
    while True:
        plans = plans_of(home.cluster, asked.nodes)
        plan = choose(plans, home.here.node.id, asked.nodes)
        ready = make_ready(home, plans, plan, asked.run)
        check_trust(home.here.paths, ready.open_on, declared=asked.trust_network)
        engine = engine_that_trains(home.here.paths.engines, ready.order.kind)
        tell(_beginning(ready, plan))
        job.begin(ready, plan, asked.run, engine.name)
        wanted = Attempt(
            ready=ready, run=asked.run, data=asked.data, output=asked.output, resume=resume
        )
        ended = attempt(home, wanted, job, tell)
        if isinstance(ended, dict):
            return ended, plan, lost
        lost.append(ended)
        tell(f"{ended.name} is lost ({ended.reason}); going on without it")
        home, asked = _without(home, asked, ended.name)
        resume = any(asked.output.glob(_CHECKPOINTS))


def _beginning(ready: Ready, plan: TrainPlan) -> str:
    others = [str(mate.node) for mate in ready.mates]
    where = f"this PC and {', '.join(others)}" if others else "this PC alone"
    rate = plan.estimate.samples_per_s.mid
    return f"training on {where}: ZeRO stage {plan.zero_stage}, {rate:.3g} samples/s expected"


def _without(home: Home, asked: Training, name: str) -> tuple[Home, Training]:
    """The cluster and the wish without a PC that is gone."""
    left = [str(node.id) for node in home.cluster.nodes if node.id != name]
    nodes = tuple(node for node in asked.nodes if node != name)
    return replace(home, cluster=only(home.cluster, left)), replace(asked, nodes=nodes)
