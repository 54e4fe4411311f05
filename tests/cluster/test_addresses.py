"""PCs that get another address are the same members, and find back."""

from __future__ import annotations

import pytest

from tests.cluster.pcs import Pc, cluster_of, took_s
from tests.lab.availability import require_lab
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def told(what: str, seconds: float) -> None:
    print(f"{what} after {seconds:.1f} s")  # noqa: T201 - how fast is told, never asserted


def address_of(pc: Pc, name: str) -> str | None:
    """Of a living member, as `homecluster nodes` shows it."""
    ran = pc.type("nodes", "--json")
    if ran.returncode != 0:
        return None
    nodes = pc.document("nodes")["nodes"]
    return next(
        (one["address"] for one in nodes if one["name"] == name and one["health"] == "alive"), None
    )


def move(pc: Pc, address: str) -> None:
    """The router gave it another address."""
    pc.host.run(["ip", "address", "flush", "dev", "eth0"], check=True)
    pc.host.run(["ip", "address", "add", f"{address}/24", "dev", "eth0"], check=True)


def test_a_pc_with_a_new_address_is_the_same_member() -> None:
    require_lab()
    with Lab("1gbe", hosts=2) as lab, cluster_of(lab, "a", "b") as pcs:
        a, b = pcs["a"], pcs["b"]
        key = (b.state / "agent" / "node.key").read_bytes()
        move(b, "10.77.0.200")
        told("b is back", took_s(10, lambda: address_of(a, "b") == "10.77.0.200", a.health))
        move(a, "10.77.0.201")
        told("a is found", took_s(10, lambda: address_of(b, "a") == "10.77.0.201", b.health))
        assert sorted(a.health()) == ["a", "b"]
        assert (b.state / "agent" / "node.key").read_bytes() == key
