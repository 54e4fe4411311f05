"""A job's own layout is judged, with the requests that it has now, whatever became of its cluster."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from homecluster.app.diagnose import diagnose_job
from homecluster.app.jobs import JobView
from homecluster.app.what_holds_back import Question, what_holds_back
from homecluster.domain.job import Command, JobId, LaunchSpec, Running
from homecluster.domain.signs import JobSigns, Signs
from homecluster.domain.topology import Cluster
from homecluster.errors import InputError, PeerError
from homecluster.planner.candidates import Pins
from homecluster.planner.plan import plan
from homecluster.store.job_store import JobFolder, Launch
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table
from tests.builders import model
from tests.planner.causes.homes import ONE, PIPELINE, TENSOR, A, Home, wifi


def job_of(home: Home, tmp_path: Path) -> JobView:
    """The home's plan as a running job."""
    spec = model(home.model)
    best = plan(home.cluster, spec, home.workload, home.pins).plans[0]
    launch = Launch(
        job_id=JobId("j"), created_at="2026-11-20T10:00:00+00:00", engine="e", model=home.model, model_folder="f",
        random_weights=True, start_limit_s=60.0, tied=False, plan=plan_table(best),
        spec=LaunchSpec(
            commands=(Command(node=A, argv=("x",), env=(), ready_when="a token came"),), host="127.0.0.1", port=1, served_model="m"
        ),
        workload=MappingProxyType(asdict(home.workload)), cluster_fingerprint=None,
    )  # fmt: skip
    return JobView(
        folder=JobFolder(path=tmp_path / "j"),
        launch=launch,
        state=Running(start_up_s=9.0),
        entry=None,
    )


def running(**seen: Any) -> Signs:
    return Signs(job=JobSigns(job="j", state="running", **seen))


FOUNDING = replace(wifi(), model="gpt2", pins=TENSOR, workload=ONE)


def test_the_layout_of_the_job_is_judged_not_the_best_one(tmp_path: Path) -> None:
    found = diagnose_job(
        job_of(FOUNDING, tmp_path),
        FOUNDING.cluster,
        model("gpt2"),
        running(output_tokens_per_s=2.0),
    )

    assert found.judged is not None
    assert found.judged.layout.tensor_parallel == 2
    assert found.causes[0].id == "latency-bound-tensor-parallel"


def test_the_requests_that_run_now_are_judged_not_the_planned_ones(tmp_path: Path) -> None:
    home = replace(wifi(), pins=PIPELINE, workload=ONE)
    job = job_of(home, tmp_path)

    few = diagnose_job(job, home.cluster, model(home.model), running(requests_running=1.0)).judged
    many = diagnose_job(job, home.cluster, model(home.model), running(requests_running=16.0)).judged

    assert few is not None
    assert many is not None
    assert many.estimate.output_tokens_per_s.mid > 3 * few.estimate.output_tokens_per_s.mid


def test_a_job_whose_other_pc_is_unknown_by_now_is_not_called_impossible(tmp_path: Path) -> None:
    alone = Cluster(nodes=FOUNDING.cluster.nodes[:1])

    found = diagnose_job(job_of(FOUNDING, tmp_path), alone, model("gpt2"), running())

    assert found.judged is None
    assert found.healthy


def test_a_cluster_that_cannot_be_asked_leaves_this_pc(tmp_path: Path) -> None:
    def gone(_: Path | None) -> Cluster:
        raise PeerError("the coordinator does not answer")

    said: list[str] = []
    found = what_holds_back(
        Question(
            target=None,
            model=None,
            cluster=None,
            seconds=0.05,
            save=None,
            workload=ONE,
            pins=Pins(),
        ),
        paths=Paths(home=tmp_path, engines=tmp_path / "e"),
        find_model=model,
        find_cluster=gone,
        members=None,
        tell=said.append,
    )

    assert len(found.signs.nodes) == 1
    assert "the coordinator does not answer" in said[0]


def test_a_job_and_a_model_are_two_questions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a job"):
        what_holds_back(
            Question(
                target="gpt2-1",
                model="gpt2",
                cluster=None,
                seconds=0.05,
                save=None,
                workload=ONE,
                pins=Pins(),
            ),
            paths=Paths(home=tmp_path, engines=tmp_path / "e"),
            find_model=model,
            find_cluster=lambda _: wifi().cluster,
            members=None,
            tell=lambda _: None,
        )
