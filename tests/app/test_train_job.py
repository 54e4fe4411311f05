"""A training as a job: what status tells while it runs, and how it ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from homecluster.app import jobs
from homecluster.app.train_job import TrainJob
from homecluster.domain.job import Failed, Running, Stopped
from homecluster.errors import LaunchError
from homecluster.web.job_view import job_view
from tests.cli.shell import run as type_here
from tests.fakes.trainings import A, begin, training_in


def run_until(job: TrainJob, happens: Callable[[], None]) -> None:
    with job:
        begin(job)
        happens()


def fail(words: str) -> None:
    raise LaunchError(words)


def test_status_tells_how_far_it_is_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    with training_in(tmp_path) as job:
        begin(job)
        for line in ("a warning of torch", "step 3 of 8: loss 2.3456, 84.1 samples/s"):
            job.heard(line)
        view = jobs.look(job.folder)
        told = jobs.document(view)
        shown = type_here("status").out
        on_the_page = job_view(view, None)
    assert isinstance(view.state, Running)
    assert told["base_url"] is None
    assert told["training"] | {"predicted_samples_per_s": 0, "output": ""} == {
        "nodes": ["a", "b"], "output": "", "predicted_samples_per_s": 0,
        "step": 3, "steps": 8, "loss": 2.3456, "samples_per_s": 84.1,
    }  # fmt: skip
    assert on_the_page["training"] == told["training"]
    assert on_the_page["base_url"] is None
    assert "step 3 of 8: loss 2.346, 84.1 samples/s" in shown
    assert "on a and b" in shown


def test_a_bench_does_not_take_a_training_for_a_server(tmp_path: Path) -> None:
    with training_in(tmp_path) as job:
        begin(job)
        assert jobs.serving((jobs.look(job.folder),)) == ()


def test_down_ends_it_as_ctrl_c_does_and_names_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "out" / "checkpoints" / "step-10").mkdir(parents=True)
    (tmp_path / "out" / "checkpoints" / "step-9").mkdir()
    job = training_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_until(job, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert jobs.look(job.folder).state == Stopped(
        reason="asked to stop; --resume goes on after step 10"
    )


def test_a_failure_keeps_its_words(tmp_path: Path) -> None:
    job = training_in(tmp_path)
    with pytest.raises(LaunchError):
        run_until(job, lambda: fail("b: the disk is full"))
    assert jobs.look(job.folder).state == Failed(
        node=A, reason="b: the disk is full; there is no checkpoint"
    )


def test_what_never_began_leaves_no_job(tmp_path: Path) -> None:
    with pytest.raises(LaunchError), training_in(tmp_path):
        raise LaunchError("no plan fits")
    assert jobs.look_at_all(tmp_path / "jobs") == ()
