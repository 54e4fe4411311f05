"""Probing a whole cluster: who listens, who dials, and what is told where nothing could be measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from homecluster.app.probe_members import SHARED_AIR, ProbedMembers, probe_members
from homecluster.app.probe_pair import Unmeasured
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health
from homecluster.errors import PeerError
from homecluster.store.cluster_table import cluster_table
from netprobe.report import report_document
from netprobe.types import (
    Failure,
    FailureKind,
    Interface,
    InterfaceKind,
    Report,
    RoundTrip,
    Throughput,
)
from tests.builders import cluster, node
from tests.fakes.home_members import HomeMembers, member

Body = Mapping[str, Any]
TROUBLE = {"cause": "client-isolation", "why": "kept apart", "remedy": "a cable"}


def report(kind: InterfaceKind = InterfaceKind.WIRED) -> Report:
    return Report(
        src="whoever",
        dst="whatever",
        plan="quick",
        started_at="2026-01-01T00:00:00+00:00",
        interface=Interface(name="eth0", kind=kind, reason=""),
        round_trip=RoundTrip(min_s=1e-3, p50_s=2e-3, p95_s=3e-3, p99_s=4e-3, sent=60, lost=0),
        throughput=Throughput(
            forward_bytes_per_s=1e8,
            back_bytes_per_s=5e7,
            tool="builtin",
            congestion_control=None,
            forward_retransmits=None,
            back_retransmits=None,
            steady=True,
        ),
    )


FAILED = replace(
    report(),
    round_trip=None,
    throughput=None,
    failures=(Failure(probe="control", kind=FailureKind.NO_ROUTE, detail="no route"),),
)


def inventory(name: NodeId, _: Body) -> Body:
    """Every PC calls itself the same, as cloned installations do."""
    return {"cluster": cluster_table(cluster(node("ubuntu", hostname=f"host of {name}")))}


def listen(name: NodeId, body: Body) -> Body:
    return {"id": f"end of {name}", "address": body["address"], "port": 17523}


def link(_: NodeId, __: Body) -> Body:
    return {"report": report_document(report()), "trouble": None}


def probed(*members: Any, **answers: Any) -> tuple[ProbedMembers, HomeMembers]:
    home = HomeMembers(
        *members,
        **(
            {"inventory": inventory, "probe__listen": listen, "probe__link": link}
            | {"probe__close": lambda _, __: {}}
            | answers
        ),
    )
    return probe_members(home, plan="quick", devices=False, force=False, tell=lambda _: None), home


def test_every_pair_is_measured_once_and_named_as_in_the_cluster() -> None:
    found, home = probed(member("a"), member("b"), member("c"))
    assert [node.id for node in found.cluster.nodes] == ["a", "b", "c"]
    assert {(one.src, one.dst) for one in found.reports} == {("a", "b"), ("a", "c"), ("b", "c")}
    there = found.cluster.link(NodeId("a"), NodeId("b"))
    back = found.cluster.link(NodeId("b"), NodeId("a"))
    assert there is not None
    assert back is not None
    assert (there.bandwidth_bytes_per_s, back.bandwidth_bytes_per_s) == (1e8, 5e7)
    assert home.asked.count(("b", "probe.close")) == 1  # of the pair a b
    assert all(device.node_id == node.id for node in found.cluster.nodes for device in node.devices)


def test_behind_nat_the_member_dials_out() -> None:
    found, home = probed(member("a", can_be_dialled=False), member("b"))
    assert (found.reports[0].src, found.reports[0].dst) == ("a", "b")
    assert ("b", "probe.listen") in home.asked
    assert ("a", "probe.listen") not in home.asked


def test_two_behind_nat_are_told_apart_from_a_failure() -> None:
    found, home = probed(member("a", can_be_dialled=False), member("b", can_be_dialled=False))
    (pair,) = found.unmeasured
    assert pair.cause == "wsl-nat"
    assert "mirrored" in pair.remedy
    assert ("a", "probe.listen") not in home.asked


def test_a_pair_that_fails_one_way_is_tried_the_other_way() -> None:
    def one_way(name: NodeId, body: Body) -> Body:
        if name == "a":
            return {"report": report_document(FAILED), "trouble": TROUBLE}
        return link(name, body)

    found, _ = probed(member("a"), member("b"), probe__link=one_way)
    assert (found.reports[0].src, found.unmeasured) == ("b", ())


def test_a_pair_that_fails_both_ways_has_its_cause_and_the_others_are_measured() -> None:
    def apart(name: NodeId, body: Body) -> Body:
        if body["address"] != "10.77.0.2" and name != "a":
            return {"report": report_document(FAILED), "trouble": TROUBLE}
        return link(name, body)

    found, _ = probed(member("a"), member("b"), member("c"), probe__link=apart)
    assert found.unmeasured == (
        Unmeasured(
            src=NodeId("b"),
            dst=NodeId("c"),
            cause="client-isolation",
            why="kept apart",
            remedy="a cable",
        ),
    )
    assert len(found.reports) == 2
    assert found.cluster.link(NodeId("b"), NodeId("c")) is None


def test_a_round_trip_without_a_bandwidth_is_no_link_and_says_so() -> None:
    lost = Failure(probe="throughput", kind=FailureKind.TIMED_OUT, detail="no bytes in 10 s")
    half = replace(report(), throughput=None, failures=(lost,))
    found, _ = probed(
        member("a"),
        member("b"),
        probe__link=lambda _, __: {"report": report_document(half), "trouble": None},
    )
    assert found.cluster.links == ()
    assert [(one.why, one.remedy) for one in found.unmeasured] == [
        (
            "its bandwidth could not be measured: no bytes in 10 s",
            "homecluster probe --between a b",
        )
    ]
    assert found.exit_code == 1


def test_radio_links_of_one_home_share_its_air() -> None:
    def by_air(_: NodeId, __: Body) -> Body:
        return {"report": report_document(report(InterfaceKind.WIFI)), "trouble": None}

    found, _ = probed(member("a"), member("b"), member("c"), probe__link=by_air)
    assert {one.medium for one in found.cluster.links} == {SHARED_AIR}


def test_the_dead_and_the_silent_take_no_part_and_are_named() -> None:
    def not_b(name: NodeId, body: Body) -> Body:
        if name == "b":
            raise PeerError("b did not answer")
        return inventory(name, body)

    found, _ = probed(member("a"), member("b"), member("c", health=Health.DEAD), inventory=not_b)
    assert [node.id for node in found.cluster.nodes] == ["a"]
    assert found.silent == ("b: b did not answer",)
    assert found.reports == ()


@pytest.mark.parametrize(
    "answer", [{}, {"report": {}}, {"report": None}, {"report": {"schema": 1}}]
)
def test_a_senseless_answer_is_an_unmeasured_pair(answer: Body) -> None:
    found, _ = probed(member("a"), member("b"), probe__link=lambda _, __: answer)
    assert [pair.cause for pair in found.unmeasured] == ["failed"]


def test_a_listening_end_that_does_not_close_is_no_trouble() -> None:
    def never(_: NodeId, __: Body) -> Body:
        raise PeerError("gone")

    found, _ = probed(member("a"), member("b"), probe__close=never)
    assert len(found.reports) == 1
