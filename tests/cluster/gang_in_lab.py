"""A gang of real vLLM over the PCs of a lab, one rank on each, led from outside of them."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homecluster.app.gang_leader import Charge, Leader
from homecluster.app.shared_model import shape_of
from homecluster.domain.ids import NodeId
from homecluster.domain.job import JobState, Running, Starting, is_over
from homecluster.domain.plan import Backend
from homecluster.engines.vllm_gang_order import tokens_of
from homecluster.store.engine_store import Engine
from homecluster.store.gang_store import Part
from tests.cluster.lab_members import LabMembers, lab_members
from tests.fakes.gangs import new_job, order
from tests.lab.homes import home_named
from tests.lab.lab import Lab
from tests.lab.plan import HomePlan
from tests.waiting import within

START_S = 300
CORES = 2.0
"""That all PCs of a lab share; each keeps to one CPU: threads of two engines that wait for one another on the
same one would spin."""
_ASK = """
import http.client, json, sys
port, body = int(sys.argv[1]), sys.argv[2]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
connection.request("POST", "/v1/completions", body=body, headers={"Content-Type": "application/json"})
print(connection.getresponse().read().decode())
"""


class LabGang:
    """A leader in a thread of the test, and what it recorded."""

    def __init__(
        self, members: LabMembers, parts: tuple[Part, ...], secrets: dict[str, str]
    ) -> None:
        self.members = members
        self.parts = parts
        self.states: list[JobState] = []
        self.log: list[str] = []
        self.begun_s = time.monotonic()
        self.runs_since_s: float | None = None
        self.phases: list[tuple[float, str]] = []
        charge = Charge(parts=parts, secrets=secrets, start_limit_s=600.0)
        self.leader = Leader(charge, members, self._record, self.log.append)
        self._thread = threading.Thread(target=self.leader.run, daemon=True)
        self._thread.start()

    def wait_until_it_runs(self) -> None:
        within(START_S, lambda: self._is(Running) or self.is_over(), self.told)
        assert self._is(Running), self.told()

    def wait_until_over(self, limit_s: float = 60.0) -> JobState:
        within(limit_s, lambda: not self._thread.is_alive(), self.told)
        return self.states[-1]

    def is_over(self) -> bool:
        return bool(self.states) and is_over(self.states[-1])

    def told(self) -> str:
        return "\n".join([*map(str, self.states[-3:]), *self.log[-60:]])

    @property
    def start_up_s(self) -> float:
        """From the first order to the first token."""
        assert self.runs_since_s is not None
        return self.runs_since_s - self.begun_s

    def complete(self, prompt: Any, tokens: int) -> list[int]:
        """Greedy token ids, asked on the PC that serves the API."""
        first = self.parts[0]
        body = json.dumps({
            "model": "tiny", "prompt": prompt, "max_tokens": tokens, "temperature": 0,
            "ignore_eos": True, "return_token_ids": True,
        })  # fmt: skip
        host = self.members.lab.host(first.name)
        done = host.run([sys.executable, "-c", _ASK, str(first.order.api_port), body], timeout=150)
        return json.loads(done.stdout)["choices"][0]["token_ids"]

    def link_bytes(self) -> tuple[int, int]:
        """(received, sent) by the second PC so far."""
        return self._link_bytes(1)

    def _link_bytes(self, share: int) -> tuple[int, int]:
        part = self.parts[share]
        body = {"share": part.order.share_id, "lease_s": 20}
        told = self.members.ask(part.node, "share.look", body, deadline_s=10)
        return told["received_bytes"], told["sent_bytes"]

    def carried_bytes(self) -> int:
        """By all links so far, frames included."""
        return sum(sum(self._link_bytes(share)) for share in range(len(self.parts))) // 2

    def stop(self) -> None:
        """End it as Ctrl-C does; nothing of it may be left on any PC."""
        self.leader.ask_to_stop("the test is over")
        self.wait_until_over()
        self.check_nothing_is_left()

    def check_nothing_is_left(self) -> None:
        """No process of the engine, Ray or a supervisor, and no shared memory, on any PC."""
        within(10, lambda: not self.left(), lambda: str(self.left()))

    def left(self) -> list[str]:
        found = []
        for name in self.members.desks:
            host = self.members.lab.host(name)
            lines = host.run(["ps", "-ww", "-eo", "args"]).stdout.splitlines()
            words = ("vllm", "VLLM", "ray", "gang_share_process", "keeper")
            found += [line for line in lines if any(word in line for word in words)]
            found += host.run(["ls", "/dev/shm"]).stdout.split()
        return found

    def _record(self, state: JobState) -> None:
        if isinstance(state, Running):
            self.runs_since_s = time.monotonic()
        if isinstance(state, Starting):
            self.phases.append((round(time.monotonic() - self.begun_s, 1), state.phase))
        self.states.append(state)

    def _is(self, kind: type[JobState]) -> bool:
        return bool(self.states) and isinstance(self.states[-1], kind)


@contextmanager
def lab_gang(
    lab: Lab,
    engine: Engine,
    model: Path,
    *,
    backend: Backend = Backend.MP,
    tensor_parallel: int = 2,
    partition: tuple[int, ...] = (4,),
    **changes: Any,
) -> Iterator[LabGang]:
    """One rank on each PC, started; ended after, whatever happened. `changes` are fields of the order."""
    with lab_members(lab, engine.path.parent) as members:
        for desk in members.desks.values():
            shutil.copytree(model, desk.paths.models / "tiny")
        names = tuple(members.desks)
        common = {
            "job": new_job(), "backend": backend, "tensor_parallel": tensor_parallel, "partition": partition,
            "addresses": tuple(lab.host(name).address for name in names), "model": "tiny",
            "shape": shape_of(json.loads((model / "config.json").read_text())),
            "served_model": "tiny", "max_model_len": 256, "dtype": "float32", "cache_bytes": 64 * 1024**2,
            "start_limit_s": 600.0, "meeting_port": 21000, "api_port": 27000, **changes,
        }  # fmt: skip
        parts = tuple(
            Part(
                node=NodeId(name),
                name=name,
                order=order(
                    **common | {"share": share, "api_port": 0 if share else common["api_port"]}
                ),
            )
            for share, name in enumerate(names)
        )
        told = dict.fromkeys(tokens_of(parts[0].order), "0123456789abcdef" * 4)
        gang = LabGang(members, parts, told)
        try:
            yield gang
        finally:
            gang.leader.ask_to_stop("the test is over")
            gang.wait_until_over()


def gang_lab(home: str | HomePlan, hosts: int = 2) -> Lab:
    """So many PCs that share what this machine has fairly."""
    plan = home_named(home, hosts) if isinstance(home, str) else home
    return Lab(plan, cpu_cores={host.name: CORES / hosts for host in plan.hosts})
