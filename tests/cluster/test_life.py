"""PCs come, go, crash and sleep; the others see it, and they come back."""

from __future__ import annotations

import pytest

from tests.cluster.pcs import cluster_of, took_s
from tests.lab.availability import require_lab
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def told(what: str, seconds: float) -> None:
    print(f"{what} after {seconds:.1f} s")  # noqa: T201 - how fast is told, never asserted


def test_who_leaves_is_gone_at_once_and_who_crashes_is_dead_soon() -> None:
    require_lab()
    with Lab("1gbe", hosts=3) as lab, cluster_of(lab, "a", "b", "c") as pcs:
        a = pcs["a"]
        assert pcs["b"].type("leave").returncode == 0
        told("b has left", took_s(1, lambda: "b" not in a.health(), a.health))
        lab.crash("c")
        told("c is dead", took_s(10, lambda: a.health().get("c") == "dead", a.health))


def test_a_pc_that_slept_is_dead_meanwhile_and_comes_back() -> None:
    require_lab()
    with Lab("1gbe", hosts=2) as lab, cluster_of(lab, "a", "b") as pcs:
        a, b = pcs["a"], pcs["b"]
        b.kill_agent("STOP")
        told("b is dead", took_s(10, lambda: a.health().get("b") == "dead", a.health))
        b.kill_agent("CONT")
        told("b is back", took_s(10, lambda: a.health().get("b") == "alive", a.health))
        assert b.health() == {"a": "alive", "b": "alive"}
