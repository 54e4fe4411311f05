"""One copy over two PCs as a person starts it: join, probe, `up`, a token, `down` from the other PC.

With a stand-in for vLLM, so that this is about the way there; test_gangs.py runs the real one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.pcs import Pc
from tests.fakes.gang_engine import make_engine, make_model
from tests.lab.availability import require_lab
from tests.lab.guest import Host
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PORT = 8000
_ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
body = json.dumps({"model": "toy", "prompt": "Hello", "max_tokens": 1})
connection.request("POST", "/v1/completions", body=body)
print(json.loads(connection.getresponse().read())["usage"]["completion_tokens"])
"""


def up(pc: Pc, *more: str) -> Any:
    arguments = (
        *("up", "--model", str(pc.state / "models" / "toy"), "--tensor-parallel", "2"),
        *("--replicas", "1", "--prompt-tokens", "16", "--output-tokens", "8"),
        *("--port", str(PORT), "--detach", "--json", *more),
    )
    return pc.type(*arguments, timeout_s=180)


def shares(pc: Pc) -> list[str]:
    """Processes of the gang on this PC."""
    lines = pc.host.run(["ps", "-ww", "-eo", "args"]).stdout.splitlines()
    return [line for line in lines if "gang_engine_process" in line or "gang_share_process" in line]


def meeting_port(pc: Pc) -> int:
    (order,) = pc.state.glob("shares/*.0/order.json")
    return int(json.loads(order.read_text())["order"]["meeting_port"])


def reaches(host: Host, address: str, port: int) -> bool:
    code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    return host.run([sys.executable, "-c", code, address, str(port)]).returncode == 0


def state(pc: Pc, job: str) -> str:
    (found,) = pc.document("status", job)["jobs"]
    return str(found["state"])


def test_one_copy_is_started_over_two_pcs_and_ended_from_the_other(tmp_path: Path) -> None:
    require_lab()
    engines = tmp_path / "engines"
    make_engine(engines)
    with Lab("1gbe", hosts=3) as lab:
        environment = {"HOMECLUSTER_ENGINES": str(engines)}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        joined = b.join(a.token("--operator"))
        assert joined.returncode == 0, joined.stderr
        for pc in (a, b):
            make_model(pc.state / "models")
        assert a.type("probe", "--quick", "--json", timeout_s=200).returncode == 0

        planned = up(a, "--dry-run")
        assert planned.returncode == 0, planned.stderr
        (best,) = [plan for plan in json.loads(planned.stdout)["plans"] if "commands" in plan]
        assert {one["node"] for one in best["commands"]} == {"a", "b"}
        assert shares(b) == []

        started = up(a)
        assert started.returncode == 0, started.stderr
        job = json.loads(started.stdout)["job"]
        asked = a.host.run([sys.executable, "-c", _ASK, str(PORT)], check=True)
        assert asked.stdout.strip() == "1"
        assert shares(b)
        meeting = meeting_port(a)
        assert reaches(b.host, a.host.address, meeting)
        assert not reaches(lab.host("c"), a.host.address, meeting)
        assert "[b] " in a.type("logs", job).stdout

        ended = b.type("down", job, timeout_s=90)
        assert ended.returncode == 0, ended.stderr
        within(30, lambda: not shares(a) and not shares(b), lambda: str(shares(a) + shares(b)))
        within(20, lambda: state(a, job) == "stopped", lambda: state(a, job))
