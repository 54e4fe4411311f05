"""The other PCs of a training as their leader sees them: one that falls silent is lost, one that comes back in time is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from homecluster.app import train_crew
from homecluster.app.plan_training import make_train_plans
from homecluster.app.ports import Members
from homecluster.app.train_crew import Crew
from homecluster.app.train_ready import Run, mates_of, order_of
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.training import Train
from homecluster.errors import PeerError
from homecluster.launch.train_cause import Lost
from homecluster.store.models import find_model
from tests.builders import cluster, device, model, node

A, B = NodeId("a"), NodeId("b")


class Home:
    """PC b of a home whose link is cut between some seconds; its clock is the test's."""

    def __init__(self, cut_s: tuple[float, float]) -> None:
        self.now_s = 0.0
        self.stopped = False
        self._cut_s = cut_s

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def ask(
        self, node: NodeId, verb: str, _body: Mapping[str, Any], *, deadline_s: float
    ) -> dict[str, Any]:
        first_s, last_s = self._cut_s
        if first_s <= self.now_s < last_s:
            self.now_s += deadline_s
            raise PeerError(f"{node} does not answer")
        self.stopped |= verb == "train.stop"
        runs = self.now_s > 60
        state = {"state": "running", "start_up_s": 1} if runs else {"state": "starting", "phase": "bringing"}  # fmt: skip
        return state | {"code": None, "processes": 0}


def crew_of(home: Home, monkeypatch: pytest.MonkeyPatch) -> Crew:
    monkeypatch.setattr(train_crew, "time", home)
    pcs = cluster(*(node(name, device(name, kind=DeviceKind.CPU)) for name in (A, B)))
    plans = make_train_plans(pcs, model("gpt2"), Train(global_batch=8), (A, B))
    plan = next(plan for plan in plans.plans if len(plan.nodes) == 2)
    run = Run(found=find_model("gpt2"), random_weights=True, steps=8, save_every=2, held_out=0.0)
    order = order_of(pcs, plans, plan, dict.fromkeys((A, B), "127.0.0.1"), run)
    return Crew(cast("Members", home), mates_of(order, (A, B)), lambda _line: None)


def test_a_cut_link_loses_the_pc(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of(Home(cut_s=(5, 1000)), monkeypatch)
    crew.start()
    cause = crew.wait_until_ready()
    assert isinstance(cause, Lost)
    assert cause.name == "b"
    assert "has not answered for 1" in cause.reason


def test_a_short_cut_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = crew_of(Home(cut_s=(5, 8)), monkeypatch)
    crew.start()
    assert crew.wait_until_ready() is None
