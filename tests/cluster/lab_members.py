"""The members of a lab: a desk in every emulated PC, and one leader outside of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Member
from homecluster.errors import PeerError
from homecluster.store.paths import Paths
from tests.fakes.members import member
from tests.lab.guest import ROOT, Host
from tests.lab.lab import Lab


class Desk:
    """One PC's desk on one CPU of this machine; calls wait for one another."""

    def __init__(self, host: Host, engines: Path, cpu: int) -> None:
        self.paths = Paths(home=host.home / "homecluster", engines=engines)
        environment = {
            "HOMECLUSTER_HOME": str(self.paths.home),
            "HOMECLUSTER_ENGINES": str(engines),
            "PYTHONPATH": str(ROOT),
        }
        self._lock = threading.Lock()
        self.process = host.popen(
            [sys.executable, "-m", "tests.cluster.desk", str(cpu)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.asked, self.told = self.process.stdin, self.process.stdout

    def ask(self, verb: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            try:
                self.asked.write(json.dumps({"verb": verb, "body": body}) + "\n")
                self.asked.flush()
                line = self.told.readline()
            except (OSError, ValueError) as error:
                raise PeerError("the PC is gone") from error
        if not line:
            raise PeerError("the PC is gone")
        told = json.loads(line)
        if "error" in told:
            raise PeerError(told["error"], hint=told["hint"])
        return told["answer"]

    def close(self) -> None:
        self.asked.close()
        self.process.wait(30)
        self.told.close()


class LabMembers:
    """Fulfils `homecluster.app.ports.Members`, but for tunnels."""

    def __init__(self, lab: Lab, desks: Mapping[str, Desk]) -> None:
        self.lab = lab
        self.desks = desks

    def members(self) -> tuple[Member, ...]:
        first = next(iter(self.desks))
        return tuple(
            member(
                name,
                self.lab.host(name).address,
                is_here=name == first,
                is_coordinator=name == first,
            )
            for name in self.desks
        )

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        assert deadline_s > 0
        return self.desks[node].ask(verb, body)

    def tunnel(self, node: NodeId, job: str) -> str:
        raise PeerError(f"no tunnel to {job} on {node} in this lab")


@contextmanager
def lab_members(lab: Lab, engines: Path) -> Iterator[LabMembers]:
    cpus = cycle(sorted(os.sched_getaffinity(0)))
    with ExitStack() as stack:
        desks = {name: Desk(lab.host(name), engines, next(cpus)) for name in lab.hosts}
        for desk in desks.values():
            stack.callback(desk.close)
        yield LabMembers(lab, desks)
