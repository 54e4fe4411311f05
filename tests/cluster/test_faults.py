"""Killed, starved of disk, cloned: state stays readable, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cluster.pcs import Pc, cluster_of, without_place
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

KILLS = int(os.environ.get("HOMECLUSTER_KILLS", "3"))
"""Rounds of kill -9; 50 before a release."""


@pytest.fixture(scope="module")
def home() -> Iterator[dict[str, Pc]]:
    require_lab()
    with Lab("1gbe", hosts=3) as lab, cluster_of(lab, "a", "b") as pcs:
        yield {**pcs, "c": Pc(host=lab.host("c"))}


def both_alive_to(pc: Pc) -> bool:
    return pc.health() == {"a": "alive", "b": "alive"}


def in_its_ways(pcs: dict[str, Pc]) -> None:
    """Both members are alive, and each says so of the other."""
    for pc in (pcs["a"], pcs["b"]):
        within(20, partial(both_alive_to, pc), pc.health)


@pytest.mark.timeout(3600)
def test_a_killed_coordinator_loses_no_token_that_it_gave(home: dict[str, Pc]) -> None:
    a, c = home["a"], home["c"]
    for number in range(KILLS):
        given: list[str] = []
        writing = threading.Thread(target=_give_tokens, args=(a, given))
        writing.start()
        within(20, given.copy)
        threading.Event().wait(random.Random(number).uniform(0, 0.5))
        a.kill_agent()
        writing.join()
        assert a.type("join").returncode == 0  # starts it again
        in_its_ways(home)
        ran = c.join(without_place(given[-1]))
        assert ran.returncode == 0, ran.stderr
        assert c.type("leave").returncode == 0


def _give_tokens(pc: Pc, given: list[str]) -> None:
    """Until the agent is gone."""
    while (ran := pc.type("token")).returncode == 0:
        given.append(ran.stdout.strip().splitlines()[-1].split()[-1])


@pytest.mark.timeout(3600)
def test_a_killed_member_comes_back_as_itself(home: dict[str, Pc]) -> None:
    b = home["b"]
    for number in range(KILLS):
        threading.Event().wait(random.Random(number).uniform(0, 0.5))
        b.kill_agent()
        assert b.type("join").returncode == 0
        in_its_ways(home)


def test_a_second_agent_on_one_folder_is_refused(home: dict[str, Pc]) -> None:
    a = home["a"]
    argv = [sys.executable, "-m", "homecluster.app.agent_process", str(a.state)]
    ran = a.host.run(argv, env=a.environment)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "another agent runs" in ran.stderr
    in_its_ways(home)


def test_a_cloned_disk_is_refused_while_the_first_one_runs(home: dict[str, Pc]) -> None:
    b, c = home["b"], home["c"]
    shutil.copytree(
        b.state, c.state, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "*.lock")
    )
    ran = c.type("join")
    assert ran.returncode == 4
    assert "same identity" in ran.stderr, ran.stderr
    c.kill_agent()
    shutil.rmtree(c.state)
    in_its_ways(home)


def test_a_full_disk_ends_nothing_and_a_read_only_one_is_named() -> None:
    require_lab()
    with Lab("1gbe", hosts=2) as lab:
        a, b = (Pc(host=lab.host(name)) for name in ("a", "b"))
        a.state.mkdir()
        a.host.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(a.state)], check=True)
        a.create()
        assert b.join(a.token()).returncode == 0
        a.host.run(["sh", "-c", f"cat /dev/zero > {a.state}/filler"])
        ran = a.type("token")  # the oldest backup's place may just do
        assert ran.returncode == 0 or "cannot write" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert b.health() == {"a": "alive", "b": "alive"}
        a.host.run(["rm", f"{a.state}/filler"], check=True)
        a.token()
        a.kill_agent()
        read_only = ["mount", "-o", "remount,ro", str(a.state)]
        within(5, lambda: a.host.run(read_only).returncode == 0)  # once the killed one is gone
        ran = a.type("join")
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        a.host.run(["mount", "-o", "remount,rw", str(a.state)], check=True)
        assert a.type("join").returncode == 0
        in_its_ways({"a": a, "b": b})
