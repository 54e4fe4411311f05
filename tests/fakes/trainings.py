"""A training as a job of this process, with nothing behind it: a test says what rank 0 would."""

from __future__ import annotations

from pathlib import Path

from homecluster.app.plan_training import make_train_plans
from homecluster.app.train_job import TrainJob
from homecluster.app.train_ready import Ready, Run, mates_of, order_of
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.training import Train
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from tests.builders import cluster, device, model, node

A, B = NodeId("a"), NodeId("b")


def training_in(home: Path) -> TrainJob:
    """Not begun yet."""
    return TrainJob(Paths(home=home, engines=home), A, home / "out")


def begin(job: TrainJob) -> None:
    """GPT-2 on two PCs, just told to start."""
    home = cluster(*(node(name, device(name, kind=DeviceKind.CPU)) for name in (A, B)))
    plans = make_train_plans(home, model("gpt2"), Train(global_batch=8), (A, B))
    plan = next(plan for plan in plans.plans if len(plan.nodes) == 2)
    run = Run(found=find_model("gpt2"), random_weights=True, steps=8, save_every=2, held_out=0.0)
    order = order_of(home, plans, plan, dict.fromkeys((A, B), "127.0.0.1"), run)
    job.begin(Ready(order=order, mates=mates_of(order, (A, B)), brought=()), plan, run, "engine-1")
