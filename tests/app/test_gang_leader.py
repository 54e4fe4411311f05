"""A leader over real processes on two homes: a gang starts, answers, and leaves nothing whatever ends it."""

import signal
import threading
from pathlib import Path

import psutil
import pytest

from homecluster.app import gang_line, jobs
from homecluster.app.gang_leader import Charge, Leader
from homecluster.domain.job import Failed, JobState, Running, Stopped
from homecluster.launch.first_token import token_came
from homecluster.launch.strays import tagged
from tests.fakes.gang_engine import PROGRAM
from tests.fakes.gangs import FakeCluster, fake_cluster
from tests.waiting import within

pytestmark = pytest.mark.slow


class Led:
    """A leader in a thread, with all it recorded."""

    def __init__(self, cluster: FakeCluster, start_limit_s: float = 120.0) -> None:
        self.states: list[JobState] = []
        self.log: list[str] = []
        self.parts = cluster.parts()
        charge = Charge(parts=self.parts, secrets={}, start_limit_s=start_limit_s)
        self.leader = Leader(charge, cluster.members, self.states.append, self.log.append)
        self._thread = threading.Thread(target=self.leader.run, daemon=True)
        self._thread.start()

    def runs(self) -> bool:
        return bool(self.states) and isinstance(self.states[-1], Running)

    def until_over(self) -> JobState:
        within(60, lambda: not self._thread.is_alive(), lambda: str(self.states[-3:]))
        return self.states[-1]


def share_runs(cluster: FakeCluster, name: str) -> bool:
    (view,) = jobs.look_at_all(cluster.homes[name].shares)
    return isinstance(view.state, Running)


def engines_of(share_id: str) -> list[psutil.Process]:
    """The engine's first process, without the keeper that holds it."""
    return [one for one in tagged(share_id) if PROGRAM.name in " ".join(words_of(one)[:4])]


def words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended between being listed and being asked
        return []


@pytest.fixture(autouse=True)
def _engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "engines"))


def test_it_starts_answers_and_ends_everywhere_when_asked(tmp_path: Path) -> None:
    with fake_cluster(tmp_path) as cluster:
        led = Led(cluster)
        within(60, led.runs, lambda: str(led.states[-3:] + led.log[-5:]))
        first = led.parts[0].order
        assert token_came(host="127.0.0.1", port=first.api_port, model="toy", api_key=None)
        within(20, lambda: share_runs(cluster, "b"))
        led.leader.ask_to_stop("Ctrl-C")
        assert led.until_over() == Stopped(reason="Ctrl-C")
        assert cluster.living() == []
    assert any(line.startswith("[b] ") for line in led.log)


def test_a_share_that_crashes_ends_the_other_with_its_reason(tmp_path: Path) -> None:
    with fake_cluster(tmp_path, "0 mute\n1 crash\n") as cluster:
        led = Led(cluster)
        last = led.until_over()
        assert isinstance(last, Failed)
        assert last.node == "b"
        assert "No available memory" in last.reason
        assert cluster.living() == []


def test_a_share_that_ignores_sigterm_is_ended_all_the_same(tmp_path: Path) -> None:
    with fake_cluster(tmp_path, "1 stubborn\n") as cluster:
        led = Led(cluster)
        within(60, led.runs, lambda: str(led.states[-3:] + led.log[-5:]))
        led.leader.ask_to_stop("Ctrl-C")
        led.until_over()
        assert cluster.living() == []


def test_a_killed_engine_on_one_pc_ends_the_gang(tmp_path: Path) -> None:
    with fake_cluster(tmp_path) as cluster:
        led = Led(cluster)
        within(60, led.runs, lambda: str(led.states[-3:] + led.log[-5:]))
        (engine,) = engines_of(led.parts[1].order.share_id)
        engine.send_signal(signal.SIGKILL)
        last = led.until_over()
        assert isinstance(last, Failed)
        assert "SIGKILL" in last.reason
        assert cluster.living() == []


def test_a_pc_that_answers_no_more_ends_the_gang_and_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang_line, "LEASE_S", 6)
    with fake_cluster(tmp_path) as cluster:
        led = Led(cluster)
        within(60, led.runs, lambda: str(led.states[-3:] + led.log[-5:]))
        cluster.members.cut.add("b")
        within(60, lambda: cluster.living() == [], lambda: str(cluster.living()))
        last = led.until_over()
        assert isinstance(last, Failed)
        assert "b has not answered" in last.reason
