"""PCs of an emulated home that run homecluster as their user would type it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.guest import Host
from tests.lab.lab import Lab
from tests.waiting import within

_AGENTS = """
from pathlib import Path
for one in Path("/proc").glob("[0-9]*/cmdline"):
    try:
        words = one.read_bytes().split(bytes(1))
    except OSError:
        continue
    if b"homecluster.app.agent_process" in words and b"-m" in words:
        print(one.parent.name)
"""
"""Needs no pgrep."""
Ran = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pc:
    """One PC and its homecluster."""

    host: Host
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def state(self) -> Path:
        return self.host.home / "state"

    def type(self, *arguments: str | Path, timeout_s: float = 120.0) -> Ran:
        """What `homecluster ARGUMENTS` prints and returns."""
        argv = [sys.executable, "-m", "homecluster", *map(str, arguments)]
        return self.host.run(argv, timeout=timeout_s, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {"HOMECLUSTER_HOME": str(self.state), **self.env}

    def document(self, *arguments: str | Path, timeout_s: float = 120.0) -> Any:
        """The document that a command prints with --json; it must succeed."""
        ran = self.type(*arguments, "--json", timeout_s=timeout_s)
        assert ran.returncode == 0, f"{self.name}: {arguments}: {ran.stdout}{ran.stderr}"
        return json.loads(ran.stdout)

    def create(self, *more: str) -> None:
        ran = self.type("join", "--new", "--name", self.name, *more)
        assert ran.returncode == 0, ran.stderr

    def token(self, *more: str) -> str:
        return str(self.document("token", *more)["token"])

    def join(self, token: str, *more: str) -> Ran:
        """Type `homecluster join --token-file F --yes`."""
        file = self.host.home / "token"
        file.write_text(token)
        file.chmod(0o600)
        return self.type("join", "--token-file", file, "--yes", "--name", self.name, *more)

    def health(self) -> dict[str, str]:
        """Member -> health, as `homecluster nodes` shows it here."""
        ran = self.type("nodes", "--json")
        if ran.returncode != 0:
            return {}
        return {one["name"]: one["health"] for one in json.loads(ran.stdout)["nodes"]}

    def agent_pid(self) -> int:
        """As seen from inside the host."""
        pids = self._agents()
        assert len(pids) == 1, f"{self.name}: {pids}"
        return pids[0]

    def has_agent(self) -> bool:
        return bool(self._agents())

    def _agents(self) -> list[int]:
        ran = self.host.run([sys.executable, "-c", _AGENTS], check=True)
        return [int(line) for line in ran.stdout.split()]

    def kill_agent(self, signal: str = "KILL") -> None:
        self.host.run(["kill", f"-{signal}", str(self.agent_pid())], check=True)

    def agent_log(self) -> str:
        path = self.state / "agent" / "agent.log"
        return path.read_text() if path.exists() else ""


def without_place(token: str) -> str:
    """The token without the coordinator's address: it must be found."""
    return token.partition("@")[0]


@contextmanager
def cluster_of(lab: Lab, *names: str, coordinator: str = "a") -> Iterator[dict[str, Pc]]:
    """A cluster of these hosts, joined by typing; found by themselves."""
    pcs = {name: Pc(host=lab.host(name)) for name in names}
    pcs[coordinator].create()
    for name, pc in pcs.items():
        if name != coordinator:
            ran = pc.join(without_place(pcs[coordinator].token()))
            assert ran.returncode == 0, ran.stderr
    yield pcs


def took_s(limit_s: float, holds: Callable[[], object], told: Callable[[], object] = str) -> float:
    """How long until it held; fails as `within` does."""
    begin = time.monotonic()
    within(limit_s, holds, told)
    return time.monotonic() - begin
