"""Two PCs of one cluster with a stand-in for vLLM, in which one copy over both is started and broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.pcs import Pc, Ran
from tests.fakes.gang_engine import make_engine, make_model
from tests.lab.guest import Host
from tests.lab.lab import Lab
from tests.waiting import within

PORT = 8000
MODEL = "toy"
LAYOUT = (
    *("--tensor-parallel", "2", "--replicas", "1"),
    *("--prompt-tokens", "16", "--output-tokens", "8", "--port", str(PORT)),
)
_ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
body = json.dumps({"model": sys.argv[2], "prompt": "Hello", "max_tokens": 1})
connection.request("POST", "/v1/completions", body=body)
print(json.loads(connection.getresponse().read())["usage"]["completion_tokens"])
"""
_LEFT = """
import json, os, psutil, subprocess
words = ("gang_engine_process", "gang_share_process", "gang_process", "launch.keeper", "copy_process", "vllm", "VLLM::", "ray::")
found, of_agent = [], set()
for process in psutil.process_iter(["pid", "cmdline"]):
    line = " ".join(process.info["cmdline"] or ())
    if process.pid != os.getpid() and any(word in line for word in words):
        found.append(line[:120])
    if "agent_process" in line:
        of_agent.add(process.pid)
for one in psutil.net_connections("tcp"):
    if one.status == "LISTEN" and one.pid not in of_agent:
        found.append(f"a listener at {one.laddr.port}")
found += [f"/dev/shm/{name}" for name in os.listdir("/dev/shm")]
temporary = os.environ["TMPDIR"]
found += [f"{temporary}/{name}" for name in os.listdir(temporary) if name.startswith("homecluster-")]
tables = subprocess.run(("nft", "list", "tables"), capture_output=True, text=True).stdout
found += [line for line in tables.splitlines() if "homecluster" in line]
print(json.dumps(found))
"""
"""Processes of a job, listeners but the agent's, shared memory, temporary folders, packet filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GangHome:
    """`up` is typed on `a`, which is the coordinator too."""

    lab: Lab
    a: Pc
    b: Pc

    @property
    def pcs(self) -> tuple[Pc, Pc]:
        return self.a, self.b

    def up(self, *more: str) -> Ran:
        """`up` of one copy over both, which returns once it runs or failed."""
        return self.a.type(*self.words(), "--detach", "--json", *more, timeout_s=240)

    def words(self) -> tuple[str, ...]:
        return ("up", "--model", str(self.a.state / "models" / MODEL), *LAYOUT)

    def start(self, *more: str) -> str:
        """The job, once it runs."""
        ran = self.up(*more)
        assert ran.returncode == 0, ran.stderr
        return str(json.loads(ran.stdout)["job"])

    def begin(self) -> subprocess.Popen[str]:
        """`up` that is tied to its command, as typed at a terminal."""
        argv = [sys.executable, "-m", "homecluster", *self.words()]
        return self.a.host.popen(
            argv, env=self.a.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def job(self, name: str) -> dict[str, Any]:
        """As `status` on `a` tells it."""
        (found,) = self.a.document("status", name)["jobs"]
        return dict(found)

    def answers(self) -> bool:
        """Whether a token comes through the API."""
        ran = self.a.host.run([sys.executable, "-c", _ASK, str(PORT), MODEL], timeout=90)
        return ran.stdout.strip() == "1"

    def left(self, *pcs: Pc) -> list[str]:
        """What remains of jobs on these PCs, or on both."""
        return [f"{pc.name}: {one}" for pc in pcs or self.pcs for one in _left(pc.host)]

    def pids(self, pc: Pc, words: str) -> list[int]:
        """Processes on that PC whose command line has all these words."""
        lines = pc.host.run(["ps", "-ww", "-eo", "pid,args"], check=True).stdout.splitlines()[1:]
        split = [line.split(maxsplit=1) for line in lines]
        return [
            int(pid) for pid, args in split if all(word in args for word in words.split())
        ]  # fmt: skip

    def kill(self, pc: Pc, words: str) -> None:
        """SIGKILL to the processes on that PC with these words."""
        pids = self.pids(pc, words)
        assert pids, f"no {words} on {pc.name}"
        pc.host.run(["kill", "-KILL", *map(str, pids)], check=True)

    def joined(self) -> None:
        """Agents that were killed run again, and both see each other."""
        for pc in self.pcs:
            assert pc.type("join").returncode == 0
        both = {"a": "alive", "b": "alive"}
        within(
            60, lambda: all(pc.health() == both for pc in self.pcs), lambda: str(self.a.health())
        )


def _left(host: Host) -> list[str]:
    ran = host.run([sys.executable, "-c", _LEFT], check=True)
    return [str(one) for one in json.loads(ran.stdout)]


@contextmanager
def gang_home(home: str = "1gbe", hosts: int = 2) -> Iterator[GangHome]:
    """Joined and measured; nothing runs. Each PC has an engine folder of its own; a third is a stranger."""
    with Lab(home, hosts=hosts) as lab:
        a, b = (_pc(lab.host(name)) for name in ("a", "b"))
        a.create()
        joined = b.join(a.token("--operator"))
        assert joined.returncode == 0, joined.stderr
        a.document("probe", "--quick", timeout_s=200)
        yield GangHome(lab=lab, a=a, b=b)


def _pc(host: Host) -> Pc:
    engines = host.home / "engines"
    make_engine(engines)
    pc = Pc(host=host, env={"HOMECLUSTER_ENGINES": str(engines)})
    make_model(pc.state / "models", MODEL)
    return pc


def behave(pc: Pc, behaviour: str) -> None:
    """What the stand-in on that PC does: lines of `NODE_RANK WORD`, as tests.fakes.gang_engine says."""
    (pc.state / "models" / MODEL / "behaviour").write_text(behaviour)


def engine_folder(pc: Pc) -> Path:
    """Of the stand-in on that PC."""
    (folder,) = pc.host.home.glob("engines/*/")
    return folder
