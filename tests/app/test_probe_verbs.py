"""What a member lets others ask of it when it is measured; every value of a body is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.verbs import Asked
from homecluster.app import live_cluster
from homecluster.app.link_process import ListeningEnd, measured_report
from homecluster.app.probe_verbs import HANDLERS
from homecluster.app.verbs import all_verbs
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import HomeclusterError, InputError, MissingError
from tests.ports import unused_port

TOKEN = "0" * 64
HERE = Asked(
    home=Path("/nowhere"), node=NodeId("a"), asker=NodeId("b"), role=Role.WORKER, deadline_s=60.0
)
GOOD = {"token": TOKEN, "address": "10.77.0.2", "port": 17523, "plan": "quick", "seconds": 30}
JSON: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just([{}])
)


@pytest.mark.parametrize(
    "change",
    [
        {"token": "0" * 63},
        {"token": None},
        {"port": 0},
        {"port": 70_000},
        {"port": True},
        {"port": "17523"},
        {"plan": "stream"},
        {"plan": "--help"},
        {"address": "8.8.8.8"},
        {"address": "127.0.0.1"},
        {"address": "224.0.0.1"},
        {"address": "a; rm -rf /"},
        {"address": ""},
    ],
)
def test_a_link_is_measured_only_at_home_and_as_agreed(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HANDLERS["probe.link"](HERE, GOOD | change)


@pytest.mark.parametrize("address", ["10.77.0.2", "0.0.0.0", "127.0.0.1", "", None, 7])
def test_a_member_listens_only_on_its_own_home_address(address: object) -> None:
    with pytest.raises(MissingError, match="behind a NAT"):
        HANDLERS["probe.listen"](HERE, GOOD | {"address": address})


def test_closing_what_is_not_open_is_fine() -> None:
    assert HANDLERS["probe.close"](HERE, {"id": "x"}) == {}
    assert HANDLERS["probe.close"](HERE, {}) == {}


@settings(max_examples=60)
@given(body=st.dictionaries(st.sampled_from([*GOOD, "id", "force"]), JSON, max_size=6))
@pytest.mark.parametrize("name", ["probe.listen", "probe.link", "probe.close"])
def test_fuzz_a_senseless_body_is_refused(name: str, body: dict[str, Any]) -> None:
    try:
        answer = HANDLERS[name](HERE, body)
    except HomeclusterError:
        return
    assert (name, answer) == ("probe.close", {})


def test_two_ends_on_this_pc_measure_and_leave_nothing_open() -> None:
    port = unused_port()
    order = {"address": "127.0.0.1", "token": TOKEN}
    end = ListeningEnd(order | {"do": "listen", "ports": [port], "seconds": 60})
    try:
        measure = order | {"do": "measure", "port": end.port, "plan": "latency"}
        found = measured_report(measure, 60.0)
        wrong = measured_report(measure | {"token": "1" * 64}, 60.0)
    finally:
        end.close()
    assert found["round_trip"]["sent"] > 0
    assert [one["kind"] for one in wrong["failures"]] == ["unauthorised"]
    assert end.has_ended()


def test_an_address_of_another_pc_cannot_be_listened_on() -> None:
    order = {"do": "listen", "address": "192.0.2.77", "ports": [unused_port()], "token": TOKEN}
    with pytest.raises(MissingError, match="cannot listen"):
        ListeningEnd(order | {"seconds": 5})


def test_every_handler_is_in_the_agents_table() -> None:
    table = {verb.name for verb in all_verbs()}
    assert {*HANDLERS, *live_cluster.HANDLERS} <= table
