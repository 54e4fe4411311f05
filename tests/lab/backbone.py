"""The process that is a lab: it makes the hosts, carries their frames, and ends with its creator.

Everything hangs on it. The hosts' first processes are killed by the kernel when it ends, with them
every process of theirs, their networks and their mounts. It ends when its creator ends (a pidfd
tells), so that what the kernel does not remove, a folder and cgroups, is removed by it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from tests.lab import namespaces
from tests.lab.cgroup import find_cpu_controller, remove_group
from tests.lab.control import ControlServer
from tests.lab.host import configure_network, start_host, write_files
from tests.lab.leftovers import make_lab_folder, remove_leftovers
from tests.lab.plan import HomePlan, home_from_json
from tests.lab.switch import Switch

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Backbone:
    """One lab from its folder to its switch; `close` undoes all of it."""

    def __init__(self, home: HomePlan) -> None:
        self.home = home
        self.controller = find_cpu_controller(Path("/proc/self/mounts").read_text())
        remove_leftovers()
        self.folder, self.lock = make_lab_folder()
        self.pids: dict[str, int] = {}
        self.groups: dict[str, Path] = {}
        self.switch = Switch(home)

    def start(self) -> None:
        """Make the hosts and connect them."""
        for host in self.home.hosts:
            folder = self.folder / host.name
            write_files(self.home, host, folder)
            self.pids[host.name] = start_host(host, folder)
            self.switch.attach(self.home, host.name, self.pids[host.name])
            with namespaces.network_of(self.pids[host.name]):
                configure_network(self.home, host)
            if host.cpu_cores is not None:
                self.limit_cpu(host.name, host.cpu_cores)

    def limit_cpu(self, host: str, cores: float) -> None:
        """Give a host at most this many CPU seconds per second; its later processes get it too."""
        controller = self.controller
        if controller is None:
            raise OSError("this machine offers no cgroup CPU controller (v1 cpu, or v2 cpu.max)")
        if host in self.groups:
            controller.limit(self.groups[host], cores)
            return
        self.groups[host] = controller.make(f"{self.folder.name}/{host}", cores)
        _move_into(self.groups[host], self.pids[host])

    def describe(self) -> dict[str, Any]:
        """What a caller needs to enter the hosts."""
        return {
            "folder": str(self.folder),
            "home": self.home.to_json(),
            "hosts": {
                name: {
                    "pid": pid,
                    "address": self.home.interface(name).address,
                    "folder": str(self.folder / name),
                    "cgroup": str(self.groups[name]) if name in self.groups else None,
                }
                for name, pid in self.pids.items()
            },
        }

    def answer(self, request: dict[str, Any]) -> object:
        """Perform one request of `tests.lab.control`."""
        match request:
            case {"do": "describe"}:
                return self.describe()
            case {"do": "counters"}:
                return self.switch.counters()
            case {"do": "shape", "port": port, "direction": direction, "set": changes}:
                self.switch.change_shape(port, direction, changes)
            case {"do": "medium", "port": port, "name": name}:
                self.switch.change_medium(port, name)
            case {"do": "plug", "port": port, "present": present}:
                self.switch.steady(port)
                self.switch.plug(port, present=present)
            case {"do": "flap", "port": port, "up_s": up_s, "down_s": down_s}:
                self.switch.flap(port, up_s=up_s, down_s=down_s)
            case {"do": "segment", "name": name, **flags}:
                self.switch.change_segment(name, flags)
            case {"do": "cpu", "host": host, "cores": cores}:
                self.limit_cpu(host, cores)
            case {"do": "crash", "host": host}:
                self.switch.detach(host)
                os.kill(self.pids[host], signal.SIGKILL)
            case _:
                raise ValueError(f"unknown request {request}")
        return None

    def close(self) -> None:
        """End the hosts and remove what the kernel does not; a second signal does not stop it."""
        for number in _ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self.pids.values():
            os.waitpid(pid, 0)
        if self.groups and self.controller:
            remove_group(self.controller.root / self.folder.name)
        shutil.rmtree(self.folder, ignore_errors=True)


def _move_into(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _ask_for_priority() -> None:
    """Be served before the hosts' processes; without the right to it, jitter grows under load."""
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))
    except PermissionError:
        pass
    namespaces.sleep_precisely()


def _report(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Read {home, creator} from stdin, report on stdout, carry frames until the creator ends."""
    order = json.loads(sys.stdin.readline())
    if os.getppid() != order["creator"]:
        return  # it is gone already
    creator = os.pidfd_open(order["creator"])
    for number in _ENDING_SIGNALS:
        signal.signal(number, _stop)
    backbone = Backbone(home_from_json(order["home"]))
    try:
        try:
            backbone.start()
        except OSError as error:
            _report({"error": str(error)})
            return
        server = ControlServer(backbone.folder, backbone.answer)
        _ask_for_priority()
        _report({"ok": backbone.describe()})

        def on_readable(handle: int) -> None:
            if handle == creator:
                sys.exit(0)
            server.on_readable(handle)

        backbone.switch.run(lambda: [creator, *server.handles()], on_readable)
    finally:
        backbone.close()


if __name__ == "__main__":
    main()
