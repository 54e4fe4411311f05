"""The same as people type it: commands, and agents as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from homecluster.agent.local import LocalAgent
from homecluster.errors import HomeclusterError
from tests.ports import unused_port
from tests.waiting import within

pytestmark = pytest.mark.slow
LIMIT_S = 90


class Pc:
    """A home of its own, and the commands typed there."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def type(self, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "homecluster", *map(str, arguments)],
            env={**os.environ, "HOMECLUSTER_HOME": str(self.home)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def document(self, *arguments: object) -> Any:
        return json.loads(self.type(*arguments, "--json"))

    def health(self) -> dict[str, str]:
        """As the agent tells it; `nodes` also asks members for their devices, which takes longer."""
        return {member.node: member.health for member in LocalAgent(self.home).members()}

    @property
    def pid(self) -> int:
        return int(LocalAgent(self.home).status()["pid"])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def is_connected(self) -> bool:
        try:
            return bool(LocalAgent(self.home).status()["connected"])
        except HomeclusterError:
            return False


@contextmanager
def joined(folder: Path) -> Iterator[tuple[Pc, Pc]]:
    """A coordinator `a` and its member `b`, joined by typing."""
    a, b = Pc(folder / "a"), Pc(folder / "b")
    try:
        a.type("join", "--new", "--name", "a", "--interface", "lo", "--port", unused_port())
        token = folder / "token"
        token.write_text(a.document("token")["token"])
        token.chmod(0o600)
        assert "terminal" in b.type("join", "--token-file", token, "--name", "b", code=2)
        b.type("join", "--token-file", token, "--yes", "--name", "b")
        yield a, b
    finally:
        for pc in (b, a):
            subprocess.run(
                [sys.executable, "-m", "homecluster", "leave", "--force"],
                env={**os.environ, "HOMECLUSTER_HOME": str(pc.home)},
                capture_output=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pc, Pc]]:
    """Shared by tests that leave both alive."""
    with joined(tmp_path_factory.mktemp("pair")) as made:
        yield made


def test_two_pcs_join_by_typing_and_leave_nothing_running(tmp_path: Path) -> None:
    with joined(tmp_path) as (a, b):
        assert a.health() == b.health() == {"a": "alive", "b": "alive"}
        pids = (a.pid, b.pid)
        shown = a.document("nodes")
        assert [(one["node"], one["health"]) for one in shown["nodes"]] == [*a.health().items()]
        assert shown["fingerprint"] in b.type("nodes")
        damage(b)

        assert "damaged" in b.type("join", code=3)
        b.type("leave", "--force")
        a.type("revoke", "b")
        a.type("leave")

        within(5, lambda: not any(is_running(pid) for pid in pids))
        assert "homecluster join" in a.type("nodes", code=3)
        assert [p.name for p in (a.home / "agent").glob("cluster*")] == []


def test_both_ends_survive_being_killed_and_join_starts_them_again(pair: tuple[Pc, Pc]) -> None:
    a, b = pair

    b.kill()
    within(10, lambda: a.health()["b"] in {"suspect", "dead"})
    b.type("join")
    within(5, lambda: a.health() == {"a": "alive", "b": "alive"}, a.health)

    a.kill()
    within(5, lambda: not b.is_connected())
    a.type("join")
    within(10, b.is_connected)
    assert b.health() == {"a": "alive", "b": "alive"}


def test_a_suspended_member_is_dead_and_comes_back_by_itself(pair: tuple[Pc, Pc]) -> None:
    a, b = pair
    pid = b.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        within(10, lambda: a.health()["b"] == "dead")
    finally:
        os.kill(pid, signal.SIGCONT)

    within(10, lambda: a.health()["b"] == "alive")


def test_a_second_agent_on_one_folder_ends_with_3(pair: tuple[Pc, Pc]) -> None:
    a, _ = pair

    done = subprocess.run(
        [sys.executable, "-m", "homecluster.app.agent_process", str(a.home)],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert (done.returncode, "another agent runs" in done.stderr) == (3, True)


def test_only_the_coordinator_listens_and_only_where_it_was_told(pair: tuple[Pc, Pc]) -> None:
    a, b = pair

    assert listening(b.pid) == set()
    status = LocalAgent(a.home).status()
    assert listening(a.pid) == {("127.0.0.1", status["port"])}


def listening(pid: int) -> set[tuple[str, int]]:
    """Where the process accepts connections."""
    return {
        (one.laddr.ip, one.laddr.port)
        for one in psutil.Process(pid).net_connections("inet")
        if one.status == psutil.CONN_LISTEN
    }


def damage(pc: Pc) -> None:
    """Make its state and the backup of it unreadable."""
    for name in ("cluster-state", "cluster-state.bak"):
        (pc.home / "agent" / name).write_bytes(b"junk")


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_no_secret_is_in_any_log(pair: tuple[Pc, Pc]) -> None:
    a, b = pair
    secret = (a.home.parent / "token").read_text().split(".")[3].partition("@")[0]

    for pc in (a, b):
        for log in (pc.home / "agent").glob("agent.*"):
            if log.is_file():
                assert secret not in log.read_text()
