"""Real processes: whatever is killed, nothing of a job outlives its end and `status` tells the truth."""

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from homecluster.app.job_end import end_damaged, stop
from homecluster.app.job_port import job_port
from homecluster.app.jobs import JobView, choose, damaged, glance, look, look_at_all
from homecluster.domain.job import Failed, Running, Starting, Stopped, is_over
from homecluster.errors import InputError, MissingError
from homecluster.store.job_store import read_launch
from homecluster.store.paths import paths_at
from tests.fakes.jobs import FakeJob, start_fake

pytestmark = pytest.mark.slow

Start = Callable[..., FakeJob]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[FakeJob] = []

    def start_here(behaviour: str, **options: Any) -> FakeJob:
        begun.append(start_fake(tmp_path / "jobs", behaviour, **options))
        return begun[-1]

    yield start_here
    for job in begun:
        stop(look(job.folder))
        for process in job.processes():
            process.kill()
        job.supervisor.wait(30)


def is_running(view: JobView) -> bool:
    return isinstance(view.state, Running)


def has_ended(view: JobView) -> bool:
    return is_over(view.state)


def keeper_of(job: FakeJob) -> psutil.Process:
    children = psutil.Process(job.supervisor.pid).children()
    (keeper,) = [child for child in children if "homecluster.launch.keeper" in child.cmdline()]
    return keeper


def server_of(job: FakeJob) -> psutil.Process:
    (server,) = keeper_of(job).children()[:1]
    return server


def test_a_job_runs_once_a_token_came_and_stops_without_a_trace(start: Start) -> None:
    job = start("good")
    running = job.wait_for(is_running)
    assert running.processes >= 3
    assert glance(job.folder) == replace(running, processes=0, memory_bytes=0)
    assert len(job.processes()) == 4  # the keeper names it too
    stopped = stop(running)
    assert stopped.state == Stopped(reason="asked to stop (SIGTERM)")
    assert job.processes() == []


def test_an_engine_that_ignores_sigterm_is_killed_with_its_hidden_family(start: Start) -> None:
    job = start("stubborn")
    stop(job.wait_for(is_running))
    assert job.processes() == []


def test_a_crash_is_told_with_its_root_cause_and_leaves_nothing(start: Start) -> None:
    job = start("crash")
    failed = job.wait_for(has_ended).state
    assert isinstance(failed, Failed)
    assert failed.reason == "ValueError: No available memory for the cache blocks."
    assert any("See root cause above" in line for line in failed.log_tail)
    job.wait_until_nothing_is_left()


def test_no_token_within_the_limit_is_a_failure(start: Start) -> None:
    job = start("silent", start_limit_s=1.0)
    failed = job.wait_for(has_ended).state
    assert isinstance(failed, Failed)
    assert failed.reason == "no token within 1 s of the start"
    job.wait_until_nothing_is_left()


def test_kill_9_of_the_supervisor_ends_the_engine_and_is_told(start: Start) -> None:
    job = start("good")
    job.wait_for(is_running)
    job.supervisor.kill()
    job.supervisor.wait()
    lost = look(job.folder).state
    assert isinstance(lost, Failed)
    assert "its supervisor was killed" in lost.reason
    job.wait_until_nothing_is_left()
    assert isinstance(stop(look(job.folder)).state, Failed)


def test_kill_9_of_the_keeper_ends_the_engine_and_is_told(start: Start) -> None:
    job = start("stubborn")
    job.wait_for(is_running)
    keeper_of(job).kill()
    job.wait_for(has_ended)
    assert job.processes() == []


def test_kill_9_of_the_server_ends_its_family_and_is_told(start: Start) -> None:
    job = start("good")
    job.wait_for(is_running)
    server_of(job).kill()
    failed = job.wait_for(has_ended).state
    assert isinstance(failed, Failed)
    assert "SIGKILL" in failed.reason
    assert job.processes() == []


def test_down_cleans_up_after_supervisor_and_keeper_were_both_killed(start: Start) -> None:
    job = start("stubborn")
    running = job.wait_for(is_running)
    keeper = keeper_of(job)
    job.supervisor.kill()
    keeper.kill()
    job.supervisor.wait()
    stop(look(job.folder))
    if running.entry is not None and running.entry.group is not None:
        assert job.processes() == []  # the control group knows even those without environment
    assert all("HOMECLUSTER_JOB" not in p.environ() for p in job.processes())


def test_a_tied_job_ends_with_the_command_that_started_it(start: Start) -> None:
    job = start("good", tied=True)
    job.wait_for(is_running)
    job.let_go()
    assert job.wait_for(has_ended).state == Stopped(reason="the command that started it ended")
    assert job.processes() == []


def test_a_stop_during_the_start_leaves_nothing(start: Start) -> None:
    job = start("silent")
    job.wait_for(lambda view: view.state == Starting(phase="loading weights"))
    stop(look(job.folder))
    assert job.processes() == []


def test_the_key_reaches_the_engine_and_no_file(start: Start, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("abcdefghij0123456789\n")
    key_file.chmod(0o600)
    job = start("good", api_key_file=key_file)
    job.wait_for(is_running)
    for file in job.folder.path.rglob("*"):
        assert b"abcdefghij0123456789" not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert "key is [secret]" in job.folder.engine_log.read_text()


def test_what_was_launched_is_read_back_as_written(start: Start) -> None:
    job = start("silent")
    launch = read_launch(job.folder)
    assert launch.spec.port == job.port
    assert launch.spec.commands[0].argv[-1] == job.mark


def test_a_port_that_a_job_has_is_refused_by_that_job_s_name(start: Start, tmp_path: Path) -> None:
    job = start("good")
    spec = job.wait_for(is_running).launch.spec
    with pytest.raises(MissingError, match=job.folder.job_id) as refusal:
        job_port(paths_at(tmp_path, {}), spec.host, spec.port)
    assert f"homecluster down {job.folder.job_id}" in str(refusal.value.hint)


def test_one_living_job_needs_no_name_and_a_wrong_name_lists_the_known(
    start: Start, tmp_path: Path
) -> None:
    job = start("silent")
    views = look_at_all(tmp_path / "jobs")
    assert choose(views, None).folder == job.folder
    with pytest.raises(InputError, match="no job is called 'other'") as refused:
        choose(views, "other")
    assert job.folder.job_id in str(refused.value.hint)


def test_no_job_is_chosen_when_none_runs(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no job is running"):
        choose(look_at_all(tmp_path), None)


def test_a_damaged_folder_is_named_and_its_processes_still_end(start: Start) -> None:
    job = start("good")
    job.wait_for(is_running)
    kept = job.folder.launch_file.read_bytes()
    job.folder.launch_file.write_text("{")
    jobs = job.folder.path.parent

    try:
        assert [name for name, _ in damaged(jobs)] == [job.folder.job_id]
        assert look_at_all(jobs) == ()
        assert end_damaged(job.folder.job_id) >= 3
    finally:
        job.folder.launch_file.write_bytes(kept)

    job.wait_for(has_ended)
    assert job.processes() == []


def test_a_supervisor_that_has_said_nothing_yet_is_ended_at_once(start: Start) -> None:
    job = start("good")
    ended = stop(look(job.folder))
    assert isinstance(ended.state, Stopped), ended.state
    assert job.processes() == []
    job.supervisor.wait(30)
