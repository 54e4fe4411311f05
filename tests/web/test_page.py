from __future__ import annotations

import json

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.web.page import cluster_view
from tests.web.homes import hotspot_facts, hotspot_page


def test_a_page_says_what_each_direction_costs() -> None:
    page = hotspot_page()
    assert {(link["src"], link["dst"]) for link in page["cluster"]["links"]} == {
        ("alice", "bob"),
        ("bob", "alice"),
    }
    assert all(link["worth"] == "costly" for link in page["cluster"]["links"])
    assert all(link["medium"] == "hotspot" for link in page["cluster"]["links"])


def test_a_page_has_the_plans_the_verdict_and_the_first_cause() -> None:
    page = hotspot_page()
    assert page["plan"]["verdict"]["kind"] == "single-node"
    assert page["diagnosis"]["causes"][0]["id"] == "latency-bound-tensor-parallel"


def test_a_member_that_is_silent_is_marked() -> None:
    facts = hotspot_facts()
    bob = Member(
        node=NodeId("bob"),
        name="bob",
        role=Role.WORKER,
        health=Health.DEAD,
        is_coordinator=False,
        is_here=False,
        address=None,
        interface=None,
        can_be_dialled=True,
        last_seen_s=30.0,
    )
    view = cluster_view(facts.cluster, facts.plans, (bob,))
    assert {node["id"]: node["health"] for node in view["nodes"]} == {"alice": None, "bob": "dead"}


def test_a_page_is_plain_json() -> None:
    page = hotspot_page()
    text = json.dumps(page, allow_nan=False)
    assert json.dumps(json.loads(text)) == text


def test_the_map_frames_the_link_that_is_there() -> None:
    found = hotspot_page()["map"]
    (here,) = found["here"]
    rate = found["bandwidths_bytes_per_s"][here["column"]] * 8
    assert (found["round_trips_s"][here["row"]], rate) == (0.04, 20e6)
    assert list(here["pairs"]) == [("alice", "bob")]
