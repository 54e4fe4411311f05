"""What members tell of themselves, under their names in the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from homecluster.app.member_nodes import inventory_of, living_nodes, renamed
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health
from homecluster.errors import PeerError
from homecluster.store.cluster_table import cluster_table
from tests.builders import cluster, device, node
from tests.fakes.home_members import HomeMembers, member

B = NodeId("b")


def ubuntu(_: NodeId, __: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"cluster": cluster_table(cluster(node("ubuntu")))}


def test_a_renamed_pc_takes_its_devices_along() -> None:
    found = renamed(node("a", device("a"), device("a", 1)), B)
    assert [one.id for one in found.devices] == ["b/cuda:0", "b/cuda:1"]
    assert {one.node_id for one in found.devices} == {B}


def test_two_pcs_of_one_host_name_are_told_apart() -> None:
    home = HomeMembers(member("a"), member("b"), inventory=ubuntu)
    found = living_nodes(home, home.members())
    assert {name: one.id for name, one in found.items()} == {"a": "a", "b": "b"}


def test_who_is_dead_is_not_asked_and_who_is_silent_is_left_out() -> None:
    def silent_b(name: NodeId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if name == "b":
            raise PeerError("silent")
        return ubuntu(name, body)

    home = HomeMembers(
        member("a"), member("b"), member("c", health=Health.DEAD), inventory=silent_b
    )
    assert list(living_nodes(home, home.members())) == ["a"]
    assert ("c", "inventory") not in home.asked


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"cluster": None},
        {"cluster": []},
        {"cluster": {"schema": "homecluster.cluster/1"}},
        {"cluster": cluster_table(cluster(node("a"), node("b")))},
    ],
)
def test_a_senseless_description_is_the_peers_fault(answer: Mapping[str, Any]) -> None:
    with pytest.raises(PeerError, match="senselessly"):
        inventory_of(HomeMembers(member("b"), inventory=lambda _, __: answer), B)
