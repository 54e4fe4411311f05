"""However the process that made a lab dies, nothing of the lab is there a moment later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guest import ROOT
from tests.lab.leftovers import remove_leftovers

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("_lab_possible")]

CREATOR = """
import os, sys, time
from tests.lab.lab import Lab
with Lab("wsl-nat", hosts=2, cpu_cores={"a": 0.5}) as lab:
    sleeper = lab.host("a").popen(["sh", "-c", "setsid sleep 4711 & setsid sleep 4711"])
    other = lab.host("b").popen(["sleep", "4711"])
    time.sleep(0.5)
    forked = os.fork() if sys.argv[1] == "forked" else 1
    if forked == 0:
        time.sleep(30)
        os._exit(0)
    print(lab._process.pid, lab.folder, *(h.pid for h in lab.hosts.values()), flush=True)
    time.sleep(60)
"""


class Running:
    """A process with a lab in it, and all by which that lab can be recognised."""

    def __init__(self, kind: str = "plain") -> None:
        self.machine_before = machine_state()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CREATOR, kind],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        backbone, folder, *pids = self.process.stdout.readline().split()
        self.backbone = int(backbone)
        self.folder = Path(folder)
        self.networks = {network_of(Path("/proc") / pid) for pid in pids} - {None}
        assert len(self.networks) == 3
        assert self.processes()
        assert self.cgroups()

    def processes(self) -> list[str]:
        """The backbone, and everything in the hosts' networks."""
        entries = [each for each in Path("/proc").iterdir() if each.name.isdigit()]
        found = {each.name for each in entries if network_of(each) in self.networks}
        if network_of(Path("/proc") / str(self.backbone)) is not None:
            found.add(str(self.backbone))
        return sorted(found - {str(self.process.pid)})

    def cgroups(self) -> list[str]:
        base = Path("/sys/fs/cgroup")
        places = [root / self.folder.name for root in (base, *base.iterdir())]
        return [str(each) for each in places if each.exists()]

    def traces(self) -> dict[str, object]:
        return {
            "processes": self.processes(),
            "cgroups": self.cgroups(),
            "folder": [str(self.folder)] if self.folder.exists() else [],
            **machine_state(),
        }


def network_of(process: Path) -> str | None:
    try:
        return str((process / "ns" / "net").readlink())
    except OSError:
        return None  # it ended, or is a zombie


def machine_state() -> dict[str, object]:
    """What no lab may change for others, not even for a moment."""
    named = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True)
    return {
        "namespaces": sorted(named.split()),
        "interfaces": sorted(line.split()[0] for line in links.stdout.splitlines()),
        "mounts": [
            each for each in Path("/proc/self/mounts").read_text().splitlines() if "lab-" in each
        ],
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    }


def gone(running: Running) -> dict[str, object]:
    return {"processes": [], "cgroups": [], "folder": [], **running.machine_before}


def assert_gone(running: Running, *, patience_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while (now := running.traces()) != gone(running) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert now == gone(running)


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    _end(made)


def _end(made: Running) -> None:
    if made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
    made.process.wait()
    if made.process.stdout:
        made.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV])
def test_nothing_is_left_when_the_creator_is_killed(
    running: Running, number: signal.Signals
) -> None:
    running.process.send_signal(number)
    running.process.wait(60)
    assert_gone(running)


def test_nothing_is_left_when_its_whole_process_group_is_killed(running: Running) -> None:
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait(60)
    assert_gone(running)


def test_a_forked_child_that_lives_on_does_not_keep_the_lab(request: pytest.FixtureRequest) -> None:
    forked = Running("forked")
    request.addfinalizer(lambda: _end(forked))
    forked.process.kill()
    forked.process.wait(60)
    assert_gone(forked)
    os.killpg(forked.process.pid, signal.SIGKILL)


def test_processes_and_networks_go_with_a_killed_backbone_and_its_folder_with_the_next_lab(
    running: Running,
) -> None:
    os.kill(running.backbone, signal.SIGKILL)
    running.process.kill()
    running.process.wait(60)
    deadline_s = time.monotonic() + 60
    while running.processes() and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert running.processes() == []
    assert machine_state() == running.machine_before
    assert running.folder in remove_leftovers()
    assert_gone(running)


def test_a_folder_of_a_running_lab_is_no_leftover(running: Running) -> None:
    assert running.folder not in remove_leftovers()
    assert running.folder.exists()
