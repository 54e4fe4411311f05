"""A training goes on without the PC that it lost: planned anew, from the checkpoint, and said in the document."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from homecluster.app import train as use_case
from homecluster.app.copies_places import Home
from homecluster.app.plan_training import make_train_plans
from homecluster.app.train_job import TrainJob
from homecluster.app.train_ready import Ready, Run, mates_of, nodes_of, order_of
from homecluster.app.train_run import Attempt
from homecluster.app.up import Here
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train, TrainPlan, TrainPlanSet
from homecluster.launch.train_cause import Lost
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from tests.builders import cluster, device, model, node

PCS = tuple(node(name, device(name, kind=DeviceKind.CPU)) for name in ("a", "b", "c"))


def plans_of(home: Cluster, nodes: tuple[NodeId, ...]) -> TrainPlanSet:
    return make_train_plans(home, model("gpt2"), Train(global_batch=12), nodes)


def ready(home: Home, plans: TrainPlanSet, plan: TrainPlan, run: Run) -> Ready:
    """Every PC is able."""
    nodes = nodes_of(plan, home.here.node.id)
    order = order_of(home.cluster, plans, plan, dict.fromkeys(nodes, "127.0.0.1"), run)
    return Ready(order=order, mates=mates_of(order, nodes), brought=())


def test_the_others_go_on_from_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[list[str], bool]] = []

    def attempt(_home: Home, wanted: Attempt, _job: TrainJob, _tell: Any) -> dict[str, Any] | Lost:
        tried.append(([str(mate.node) for mate in wanted.ready.mates], wanted.resume))
        if len(tried) < 3:
            (wanted.output / "checkpoints" / "step-2").mkdir(parents=True, exist_ok=True)
            return Lost(name="cb"[len(tried) - 1], reason="the lid was closed")
        return {"losses": [1.0]}

    monkeypatch.setattr(use_case, "make_ready", ready)
    monkeypatch.setattr(use_case, "attempt", attempt)
    monkeypatch.setattr(
        use_case, "engine_that_trains", lambda *_asked: SimpleNamespace(name="engine-1")
    )
    monkeypatch.setattr(use_case, "check_trust", lambda *_args, **_flags: None)
    (tmp_path / "rows.jsonl").write_text('{"text": "row"}')
    home = Home(
        here=Here(paths=Paths(home=tmp_path, engines=tmp_path), node=PCS[0], cores=(0,)),
        members=None,
        cluster=cluster(*PCS),
    )
    asked = use_case.Training(
        run=Run(found=find_model("gpt2"), random_weights=True, steps=4, save_every=2, held_out=0.0),
        data=tmp_path / "rows.jsonl",
        output=tmp_path / "out",
        resume=False,
        nodes=(NodeId("a"), NodeId("b"), NodeId("c")),
    )
    document = use_case.train(home, plans_of, asked, lambda _line: None)

    assert tried == [(["b", "c"], False), (["b"], True), ([], True)]
    assert [one["node"] for one in document["lost"]] == ["c", "b"]
    assert document["measured"] == {"losses": [1.0]}
    assert (tmp_path / "out" / "training.json").is_file()
