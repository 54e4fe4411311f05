"""Members note round trips, a diagnosis says since when a link is worse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homecluster.agent.messages import Answer, Ask
from homecluster.app.link_watch import history, keep_watch, note_report, with_history
from homecluster.domain.ids import NodeId
from homecluster.domain.signs import LinkSigns, Signs
from homecluster.errors import PeerError
from homecluster.planner.diagnosis import diagnose_signs
from homecluster.store.link_log import LinkPoint
from homecluster.store.paths import Paths
from netprobe.types import Report, RoundTrip, Throughput
from tests.planner.causes.homes import wifi
from tests.planner.test_change_point import noise

A, B = NodeId("a"), NodeId("b")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(home=tmp_path, engines=tmp_path / "engines")


class Agent:
    """An agent whose members answer, or raise what they are given."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self._trouble = trouble
        self.asked: list[str] = []

    def status(self) -> Mapping[str, Any]:
        return {"node": "a"}

    async def members(self) -> Mapping[str, Any]:
        if self._trouble is not None:
            raise self._trouble
        health = {"a": "alive", "b": "alive", "c": "dead"}
        return {"members": [{"node": n, "is_here": n == "a", "health": health[n]} for n in "abc"]}

    async def ask(self, ask: Ask) -> Answer:
        self.asked.append(ask.to)
        return Answer(id=ask.id, body={})


def watch_once(agent: Agent, paths: Paths) -> None:
    async def run() -> None:
        task = asyncio.create_task(keep_watch(agent, paths, first_s=0.0, every_s=60.0))
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())


def test_living_members_are_noted_with_their_round_trip(paths: Paths) -> None:
    watch_once(Agent(), paths)

    (point,) = history(paths)
    assert (point.src, point.dst, point.method) == (A, B, "agent")
    assert point.rtt_s is not None
    assert point.rtt_s > 0


def test_a_lost_coordinator_only_means_no_point(paths: Paths) -> None:
    watch_once(Agent(PeerError("gone")), paths)

    assert history(paths) == ()


def test_a_probe_leaves_its_figures_both_ways(paths: Paths) -> None:
    rate = Throughput(
        forward_bytes_per_s=1e6, back_bytes_per_s=2e6, tool="builtin", congestion_control=None,
        forward_retransmits=None, back_retransmits=None, steady=True,
    )  # fmt: skip
    trip = RoundTrip(min_s=0.001, p50_s=0.002, p95_s=0.003, p99_s=0.003, sent=10, lost=0)
    report = Report(
        src="a",
        dst="b",
        plan="quick",
        started_at="2026-11-20T10:00:00+00:00",
        round_trip=trip,
        throughput=rate,
    )

    note_report(paths, report, A, B)

    assert [(one.src, one.bandwidth_bytes_per_s) for one in history(paths)] == [(A, 1e6), (B, 2e6)]


def series(values: list[float], field: str = "rtt_s", method: str = "agent") -> list[LinkPoint]:
    figures: list[dict[str, Any]] = [{field: value} for value in values]
    return [
        LinkPoint(at=f"2026-11-20T10:{i:02}:00+00:00", src=A, dst=B, method=method, **figure)
        for i, figure in enumerate(figures)
    ]


def test_a_link_that_got_slower_is_known_with_the_time() -> None:
    (link,) = with_history((), series(noise(0.003, 30) + noise(0.03, 10, seed=2)))

    assert link.worse_since is not None
    assert link.worse_since[:16] in {f"2026-11-20T10:{minute}" for minute in range(27, 34)}
    assert link.watched_rtt_s is not None
    assert link.usual_rtt_s is not None
    assert link.watched_rtt_s > 5 * link.usual_rtt_s


def test_a_link_that_got_faster_is_not_worse() -> None:
    (link,) = with_history((), series(noise(0.03, 30) + noise(0.003, 10, seed=2)))

    assert link == LinkSigns(src=A, dst=B)


def test_a_link_that_got_thinner_is_known() -> None:
    points = series([1e7] * 10 + [2e6] * 5, "bandwidth_bytes_per_s", "probe")

    (link,) = with_history((), points)

    assert (link.usual_bandwidth_bytes_per_s, link.bandwidth_bytes_per_s) == (1e7, 2e6)


def test_figures_of_different_methods_are_not_compared() -> None:
    agent, probe = series([0.02] * 10), series([0.002] * 10, method="probe")

    assert with_history((), [*probe, *agent]) == (LinkSigns(src=A, dst=B),)


def test_the_diagnosis_says_since_when() -> None:
    links = with_history((), series(noise(0.003, 30) + noise(0.03, 10, seed=2)))

    (cause,) = diagnose_signs(wifi().cluster, Signs(links=links)).causes

    assert cause.id == "link-got-worse"
    assert "since 2026-11-20T10:" in cause.summary
