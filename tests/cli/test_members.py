"""`homecluster nodes` on terminals of every width: no figure is lost, none is cut."""

import io
from contextlib import redirect_stdout

import pytest

from homecluster.cli import render_members
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from tests.builders import device, node

CARD = "NVIDIA GeForce RTX 3060 Laptop GPU"


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_devices_are_read_whole_at_every_width(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    desk = Member(
        node=NodeId("desk"), name="desk", role=Role.OPERATOR, health=Health.ALIVE, is_coordinator=True,
        is_here=True, address="192.168.178.20", interface=None, can_be_dialled=True, last_seen_s=0.0,
    )  # fmt: skip
    status = {"cluster": "desk", "fingerprint": "490b b564", "trouble": None}

    with redirect_stdout(io.StringIO()) as out:
        render_members.show([desk], status, {desk.node: node("desk", device("desk", name=CARD))})

    lines = out.getvalue().splitlines()
    assert all(len(line) <= columns for line in lines)
    assert "coordinator, this PC" in lines[1]
    assert any(CARD in line for line in lines)
