"""A job's own layout is judged, with the requests that it has now, whatever became of its cluster."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from homecluster.app.diagnose import diagnose_job, saved_links
from homecluster.app.jobs import JobView
from homecluster.app.what_holds_back import Question, Sources, what_holds_back
from homecluster.domain.job import Command, JobId, LaunchSpec, Running
from homecluster.domain.signs import JobSigns, Signs
from homecluster.domain.topology import Cluster
from homecluster.errors import InputError, PeerError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.store.job_store import JobFolder, Launch
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table
from netprobe.report import report_document
from netprobe.types import Report, RoundTrip
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
        Sources(
            paths=Paths(home=tmp_path, engines=tmp_path / "e"),
            find_model=model,
            find_cluster=gone,
            members=None,
            tell=said.append,
        ),
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
            Sources(
                paths=Paths(home=tmp_path, engines=tmp_path / "e"),
                find_model=model,
                find_cluster=lambda _: wifi().cluster,
                members=None,
                tell=lambda _: None,
            ),
        )


def probed(paths: Paths, name: str, **changes: Any) -> None:
    """A probe's own file, as `homecluster probe` keeps it."""
    trip = RoundTrip(min_s=0.002, p50_s=0.003, p95_s=0.004, p99_s=0.004, sent=100, lost=0)
    report = Report(
        src="a", dst="b", plan="quick", started_at="2026-11-20T10:00:00+00:00", round_trip=trip
    )
    paths.links.mkdir(exist_ok=True)
    (paths.links / name).write_text(json.dumps(report_document(replace(report, **changes))))


NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(home=tmp_path, engines=tmp_path / "engines")


def test_the_newest_probe_of_a_pair_counts(paths: Paths) -> None:
    slow = RoundTrip(min_s=0.02, p50_s=0.03, p95_s=0.04, p99_s=0.04, sent=100, lost=0)
    probed(paths, "2026-11-20T100000-a-b.json")
    probed(paths, "2026-11-19T100000-a-b.json", round_trip=slow)

    assert [link.rtt_s for link in saved_links(paths, wifi().cluster, NOW)] == [0.003, 0.003]


def test_a_probe_of_last_month_says_nothing_of_today(paths: Paths) -> None:
    probed(paths, "2026-10-01T100000-a-b.json", started_at="2026-10-01T10:00:00+00:00")

    assert saved_links(paths, wifi().cluster, NOW) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "netprobe.report/1"}', "7"])
def test_a_damaged_probe_hides_no_other(paths: Paths, text: str) -> None:
    probed(paths, "2026-11-20T100000-a-b.json")
    (paths.links / "2026-11-20T110000-a-b.json").write_text(text)

    assert len(saved_links(paths, wifi().cluster, NOW)) == 2


def test_a_probe_whose_clock_makes_no_sense_hides_no_other(paths: Paths) -> None:
    probed(paths, "2026-11-20T100000-a-b.json")
    probed(paths, "2026-11-20T110000-a-b.json", started_at="yesterday")
    probed(paths, "2026-11-20T120000-a-b.json", started_at="2026-11-20T10:00:00")

    assert len(saved_links(paths, wifi().cluster, NOW)) == 2
