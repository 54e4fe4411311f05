"""A home that runs: `with Lab("hotspot", hosts=3) as lab: lab.host("a").run(["ping", …])`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from tests.lab.control import LabError, ask
from tests.lab.homes import home_named
from tests.lab.leftovers import remove_leftovers
from tests.lab.plan import BYTES_PER_S_PER_MBIT, HomePlan

ROOT: Final = Path(__file__).resolve().parents[2]
_ENTER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from tests.lab.enter import main; "
    "main(int(sys.argv[2]), sys.argv[3], sys.argv[4:])"
)
_STOP_TIMEOUT_S: Final = 10.0
_NOT_INHERITED: Final = ("XDG_", "HOMECLUSTER_", "NETPROBE_")
"""Where these point is outside the host."""

Direction = Literal["up", "down", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One emulated PC. Its files are visible from outside at the same paths."""

    name: str
    address: str
    pid: int
    """Of its first process, as seen from outside; its namespaces are those of the host."""
    folder: Path
    cgroup: str | None

    @property
    def home(self) -> Path:
        """What HOME is inside."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment as the host would have it."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        return own | {
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "HOSTNAME": self.name,
        }

    def argv(self, command: Sequence[str]) -> tuple[str, ...]:
        """What to start here, with `environment`, to run `command` inside; for asyncio and others.

        Signals reach the command once, its exit code comes back, and it is killed with this.
        """
        launcher = (sys.executable, "-S", "-E", "-s", "-c", _ENTER)
        return (*launcher, str(ROOT), str(self.pid), self.cgroup or "-", *command)

    def shell_line(self, command: str) -> str:
        """The same for a person at a shell."""
        join = (
            f"sh -c 'echo $$ > {self.cgroup}/cgroup.procs; exec \"$@\"' - " if self.cgroup else ""
        )
        return (
            f"{join}nsenter --target {self.pid} --mount --uts --ipc --net --pid --wd=. "
            f"env HOME={self.home} TMPDIR={self.folder / 'tmp'} {command}"
        )

    def popen(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a command inside; options as of subprocess.Popen, `env` is added to its own."""
        environment = self.environment | dict(env or {})
        return subprocess.Popen(self.argv(command), env=environment, **options)

    @contextmanager
    def running(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """A command that is killed at the end of the block, should it still run."""
        with self.popen(command, env=env, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float | None = 60.0,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and capture its text; options as of subprocess.run."""
        options = {"capture_output": True, "text": True} | options
        environment = self.environment | dict(env or {})
        return subprocess.run(
            self.argv(command), timeout=timeout, check=check, env=environment, **options
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface's link to the switch, changed while it runs. `up` is what the host sends."""

    folder: Path
    port: str

    def set(
        self,
        *,
        direction: Direction = "both",
        rate_mbit: float | None = None,
        delay_ms: float | None = None,
        jitter_ms: float | None = None,
        loss_percent: float | None = None,
        queue_kib: float | None = None,
    ) -> None:
        """Change what is given; the delay is one way on this link, a round trip crosses four."""
        changes = {
            "rate_bytes_per_s": None if rate_mbit is None else rate_mbit * BYTES_PER_S_PER_MBIT,
            "delay_s": None if delay_ms is None else delay_ms / 1000,
            "jitter_s": None if jitter_ms is None else jitter_ms / 1000,
            "loss_ratio": None if loss_percent is None else loss_percent / 100,
            "queue_bytes": None if queue_kib is None else round(queue_kib * 1024),
        }
        self._shape(direction, {k: v for k, v in changes.items() if v is not None})

    def unpaced(self, *, direction: Direction = "both") -> None:
        """No rate limit."""
        self._shape(direction, {"rate_bytes_per_s": None})

    def down(self) -> None:
        """Unplug: the host sees no carrier; what was on the way is lost."""
        self._ask(do="plug", present=False)

    def up(self) -> None:
        """Plug in again (ends a flap)."""
        self._ask(do="plug", present=True)

    def flap(self, *, up_s: float, down_s: float) -> None:
        """Unplug now for `down_s`, plug in for `up_s`, and so on until up() or down()."""
        self._ask(do="flap", up_s=up_s, down_s=down_s)

    def block(self, direction: Direction = "both") -> None:
        """Drop everything silently, carrier kept: one direction makes a one-way link."""
        self._shape(direction, {"blocked": True})

    def unblock(self, direction: Direction = "both") -> None:
        """Undo block."""
        self._shape(direction, {"blocked": False})

    def blackhole(self, *, over_bytes: int | None, direction: Direction = "both") -> None:
        """Drop IP packets above this size silently; none lets all pass again."""
        self._shape(direction, {"largest_packet_bytes": over_bytes})

    def _shape(self, direction: Direction, changes: dict[str, Any]) -> None:
        self._ask(do="shape", direction=direction, set=changes)

    def _ask(self, **request: Any) -> None:
        ask(self.folder, request | {"port": self.port})


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
