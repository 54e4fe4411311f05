"""What a member does for others that look who reaches whom: only at home, only on the agreed ports."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from homecluster.agent.verbs import Asked
from homecluster.app import reach_verbs
from homecluster.app.reach_verbs import HANDLERS
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, MissingError

HERE = Asked(
    home=Path("/nowhere"), node=NodeId("a"), asker=NodeId("b"), role=Role.WORKER, deadline_s=60.0
)


@pytest.mark.parametrize(
    "change",
    [{"port": 22}, {"port": 7433}, {"port": "17523"}, {"address": "8.8.8.8"}, {"address": "127.0.0.1"}, {"address": ""}],
)  # fmt: skip
def test_nobody_is_dialled_outside_of_the_home_or_on_other_ports(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HANDLERS["reach.dial"](HERE, {"address": "10.77.0.2", "port": 17523} | change)


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "8.8.8.8", None])
def test_a_member_listens_only_on_its_own_home_address(address: object) -> None:
    with pytest.raises(MissingError):
        HANDLERS["reach.listen"](HERE, {"address": address})


def test_a_pc_in_no_cluster_says_so_when_asked_for_multicast(tmp_path: Path) -> None:
    nowhere = Asked(
        home=tmp_path, node=HERE.node, asker=HERE.asker, role=HERE.role, deadline_s=60.0
    )
    with pytest.raises(MissingError, match="in no cluster"):
        HANDLERS["reach.multicast"](nowhere, {"address": "10.77.0.2"})


def test_an_open_door_and_a_port_without_one_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On loopback, which the check of addresses would refuse."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        monkeypatch.setattr(reach_verbs, "PORTS", (port,))
        monkeypatch.setattr(reach_verbs, "private_address", lambda body: body["address"])
        body = {"address": "127.0.0.1", "port": port}
        assert HANDLERS["reach.dial"](HERE, body) == {"how": "open", "is_there": True}
    assert HANDLERS["reach.dial"](HERE, body)["how"] == "refused"
