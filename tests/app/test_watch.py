"""Watching this PC and the members; those that are gone or talk nonsense are named, the others judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homecluster.agent.verbs import Asked
from homecluster.app import watch as watching
from homecluster.app.verbs import all_verbs
from homecluster.app.watch import answer, clock_offset_s, watch, watch_here
from homecluster.domain.hardware import WslMode
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.domain.signs import NodeSigns
from homecluster.domain.units import GIB
from homecluster.errors import MissingError, PeerError
from homecluster.planner.diagnosis import diagnose_signs
from homecluster.store.paths import Paths
from homecluster.store.typed_table import read_table
from tests.planner.causes.homes import cable


def member(name: str, *, health: Health = Health.ALIVE, here: bool = False) -> Member:
    return Member(
        node=NodeId(name), name=name, role=Role.OPERATOR, health=health, is_coordinator=here, is_here=here,
        address="10.0.0.1", interface="eth0", can_be_dialled=True, last_seen_s=1.0,
    )  # fmt: skip


class Cluster:
    """Members as this PC's agent would reach them."""

    def __init__(self, answers: Mapping[str, Any], *members: Member) -> None:
        self._answers, self._members = answers, members

    def members(self) -> tuple[Member, ...]:
        return self._members

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        del body, deadline_s
        if verb != "signs":
            raise PeerError(f"{node} is an older homecluster and does not know {verb}")
        told = self._answers[node]
        if isinstance(told, Exception):
            raise told
        return told

    def tunnel(self, node: NodeId, job: str) -> str:
        raise NotImplementedError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(home=tmp_path, engines=tmp_path / "engines")


def test_this_pc_tells_its_load_and_memory(paths: Paths) -> None:
    own, _ = watch_here(paths, None, 0.05)

    assert own.cores is not None
    assert own.other_busy_cores is not None
    assert own.ram_total_bytes is not None
    assert own.ram_available_bytes is not None
    assert own.ram_total_bytes > own.ram_available_bytes > 0


def test_what_a_member_tells_can_be_read_by_the_one_who_asks(paths: Paths) -> None:
    told = answer(paths, {"seconds": 0.05})

    assert read_table(NodeSigns, told["signs"]).cores is not None


@pytest.mark.parametrize("seconds", ["long", -1, 1e9, None, float("nan")])
def test_a_foolish_time_to_watch_is_taken_as_none(paths: Paths, seconds: object) -> None:
    assert answer(paths, {"seconds": seconds})["now_s"] <= time.time()


def test_half_of_the_members_gone_leaves_the_others_judged(paths: Paths) -> None:
    told = answer(paths, {"seconds": 0.0})
    home = Cluster(
        {
            "b": told | {"now_s": time.time() - 3600},
            "c": PeerError("c does not answer"),
            "d": {"signs": {"node": 7}},
        },
        member("a", here=True), member("b"), member("c"), member("d"), member("e", health=Health.DEAD),
    )  # fmt: skip

    signs = watch(paths, None, home, 0.05)

    assert {one.node for one in signs.nodes} == {"a", "b"}
    assert {node for node, _ in signs.unseen} == {"c", "d", "e"}
    assert dict(signs.unseen)[NodeId("c")] == "c does not answer"
    ids = [cause.id for cause in diagnose_signs(cable().cluster, signs).causes]
    assert {"member-gone", "clock-skew"} <= set(ids)


@pytest.mark.parametrize(
    ("told_s", "offset_s"), [(100.5, 0.0), (180.0, 0.0), (90.0, -10.0), (190.0, 8.0)]
)
def test_an_answer_that_was_long_on_its_way_is_no_wrong_clock(
    told_s: float, offset_s: float
) -> None:
    assert offset_s == clock_offset_s(100.0, told_s, 182.0)


def test_a_pc_whose_agent_sleeps_is_judged_by_itself(paths: Paths) -> None:
    class Asleep(Cluster):
        def members(self) -> tuple[Member, ...]:
            raise MissingError("no agent runs on this PC")

    assert len(watch(paths, None, Asleep({}), 0.05).nodes) == 1


def test_members_may_ask_for_signs_and_need_not_be_operators(paths: Paths) -> None:
    (verb,) = [one for one in all_verbs() if one.name == "signs"]
    asked = Asked(
        home=paths.home, node=NodeId("a"), asker=NodeId("b"), role=Role.WORKER, deadline_s=5.0
    )

    told = verb.handle(asked, {"seconds": 0.0})

    assert verb.needs is Role.WORKER
    assert read_table(NodeSigns, told["signs"]).cores is not None


@pytest.mark.parametrize(
    ("free_gib", "expected"), [(0.5, 16 * GIB), (6, None)], ids=["short", "roomy"]
)
def test_windows_is_asked_for_its_memory_only_where_wsl_runs_short(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, free_gib: float, expected: int | None
) -> None:
    seen = NodeSigns(
        node=NodeId("a"), ram_total_bytes=8 * GIB, ram_available_bytes=int(free_gib * GIB)
    )
    monkeypatch.setattr(watching, "node_signs", lambda *_, **__: seen)
    monkeypatch.setattr(watching, "_is_wsl", lambda: True)
    monkeypatch.setattr(watching, "read_mode", lambda: WslMode.MIRRORED)
    monkeypatch.setattr(watching, "read_windows_ram_bytes", lambda: 16 * GIB)

    own, _ = watch_here(paths, None, 0.0)

    assert own.windows_ram_bytes == expected
