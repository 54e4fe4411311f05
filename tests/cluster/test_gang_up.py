"""One copy over two PCs as a person starts it: join, probe, `up`, a token, `down` from the other PC.

With a stand-in for vLLM, so that this is about the way there; test_gangs.py runs the real one.
"""

from __future__ import annotations

import json
import sys

import pytest

from tests.cluster.gang_home import GangHome, gang_home
from tests.cluster.pcs import Pc
from tests.lab.availability import require_lab
from tests.lab.guest import Host
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def meeting_place(home: GangHome) -> tuple[Pc, int]:
    """The PC of the first rank, which may be either, and the port at which it waits for the other."""
    ((pc, order),) = [
        (pc, order) for pc in home.pcs for order in pc.state.glob("shares/*.0/order.json")
    ]
    return pc, int(json.loads(order.read_text())["order"]["meeting_port"])


def reaches(host: Host, address: str, port: int) -> bool:
    code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    return host.run([sys.executable, "-c", code, address, str(port)]).returncode == 0


def dry_run_nodes(home: GangHome) -> set[str]:
    """The PCs for which a dry run prints a command."""
    planned = home.up("--dry-run")
    assert planned.returncode == 0, planned.stderr
    (best,) = [plan for plan in json.loads(planned.stdout)["plans"] if "commands" in plan]
    return {one["node"] for one in best["commands"]}


def test_one_copy_is_started_over_two_pcs_and_ended_from_the_other() -> None:
    require_lab()
    with gang_home(hosts=3) as home:
        a, b = home.pcs
        assert dry_run_nodes(home) == {"a", "b"}
        assert home.left() == []

        job = home.start()
        assert home.answers()
        first, port = meeting_place(home)
        second = b if first is a else a
        assert reaches(second.host, first.host.address, port)
        assert not reaches(home.lab.host("c"), first.host.address, port)
        assert "[b] " in a.type("logs", job).stdout

        ended = b.type("down", job, timeout_s=90)
        assert ended.returncode == 0, ended.stderr
        within(30, lambda: not home.left(), lambda: str(home.left()))
        within(20, lambda: home.job(job)["state"] == "stopped", lambda: str(home.job(job)))
