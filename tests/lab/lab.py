"""A home that runs: `with Lab("hotspot", hosts=3) as lab: lab.host("a").run(["ping", …])`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.lab.control import LabError, ask
from tests.lab.guest import ROOT, Host
from tests.lab.homes import home_named
from tests.lab.leftovers import remove_leftovers
from tests.lab.link import Link
from tests.lab.plan import HomePlan

_STOP_TIMEOUT_S: Final = 10.0


class Lab:
    """Emulated hosts on an emulated network, gone when this process is.

    `home` is a name of tests.lab.homes or a plan of one's own. `cpu_cores` gives hosts, by name,
    at most that many CPU seconds per second.
    """

    def __init__(
        self,
        home: str | HomePlan,
        *,
        hosts: int = 3,
        congestion_control: str | None = None,
        cpu_cores: Mapping[str, float] | None = None,
        seed: int | None = None,
    ) -> None:
        plan = home_named(home, hosts) if isinstance(home, str) else home
        cores = cpu_cores or {}
        unknown = set(cores) - {host.name for host in plan.hosts}
        if unknown:
            raise ValueError(f"no host is called {', '.join(sorted(unknown))}")
        self.plan = replace(
            plan,
            hosts=tuple(
                replace(each, cpu_cores=cores.get(each.name, each.cpu_cores)) for each in plan.hosts
            ),
            congestion_control=congestion_control or plan.congestion_control,
            seed=plan.seed if seed is None else seed,
        )
        self.folder = Path()
        self.hosts: dict[str, Host] = {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            LabError: this machine does not allow it; says what.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.backbone"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            order = {"home": self.plan.to_json(), "creator": os.getpid()}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.close()
            report = json.loads(self._process.stdout.readline() or "{}")
        except BaseException:
            self.stop()
            raise
        if "ok" not in report:
            self.stop()
            raise LabError(f"the lab did not start: {report.get('error', 'see stderr')}")
        self._learn(report["ok"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything; returns when it is gone."""
        process = self._process
        if process is None:
            return
        self._process = None
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        remove_leftovers()  # should the backbone have been killed, and so not cleaned up

    def host(self, name: str) -> Host:
        """A host by its name: a, b, c, …"""
        if name not in self.hosts:
            raise LabError(f"no host is called {name!r}; there are {', '.join(self.hosts)}")
        return self.hosts[name]

    def link(self, host: str, interface: str | None = None) -> Link:
        """A host's link; without `interface` the one that carries its address."""
        return Link(folder=self.folder, port=self.plan.interface(host, interface).port)

    def set_access_point(
        self,
        *,
        client_isolation: bool | None = None,
        multicast_dropped: bool | None = None,
        segment: str = "lan",
    ) -> None:
        """Change what the access point holds back from its stations."""
        flags = {"client_isolation": client_isolation, "multicast_dropped": multicast_dropped}
        given = {k: v for k, v in flags.items() if v is not None}
        ask(self.folder, {"do": "segment", "name": segment, **given})

    def set_cpu_cores(self, host: str, cores: float) -> None:
        """Limit a host's CPU from now on (processes already running only if it was limited)."""
        ask(self.folder, {"do": "cpu", "host": self.host(host).name, "cores": cores})
        self._learn(ask(self.folder, {"do": "describe"}))

    def crash(self, host: str) -> None:
        """Pull a PC's power plug: all its processes are killed, its interfaces vanish."""
        ask(self.folder, {"do": "crash", "host": self.host(host).name})

    def switch_cpu_s(self) -> float:
        """CPU time that carrying all frames took so far; real switches have a processor of their own."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def counters(self) -> dict[str, dict[str, Any]]:
        """Port ("a:eth0") -> "up" | "down" -> offered_bytes, delivered_bytes, dropped by reason."""
        counts: dict[str, dict[str, Any]] = ask(self.folder, {"do": "counters"})
        return counts

    def _learn(self, report: dict[str, Any]) -> None:
        self.folder = Path(report["folder"])
        self.hosts = {
            name: Host(
                name=name,
                address=each["address"],
                pid=each["pid"],
                folder=Path(each["folder"]),
                cgroup=each["cgroup"],
            )
            for name, each in report["hosts"].items()
        }
