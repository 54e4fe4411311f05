"""Whole copies before anything starts: a dry run beside PCs that lack something, and who is blamed for a no."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homecluster.app import bench, copies_up, jobs, up
from homecluster.app.bench_client import Load, measure
from homecluster.app.copies_bench import count_links, read_counts, requests_given
from homecluster.app.copies_places import Home
from homecluster.app.dry_run import DryRun
from homecluster.app.plan import make_plans
from homecluster.app.up import Here, Wanted
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command, JobId, LaunchSpec, Running
from homecluster.domain.plan import PlanSet
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.errors import HomeclusterError, MissingError
from homecluster.planner.problem import Pins
from homecluster.router import metrics
from homecluster.router.table import Backend, began, table_of
from homecluster.store.copies_store import Copies, OrderedCopy, write_copies
from homecluster.store.job_store import JobFolder, Launch
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table, workload_table
from tests import builders
from tests.fakes.members import FakeMembers, member
from tests.ports import unused_port

NAMES = ("a", "b")
FOUND = find_model("gpt2")
CLUSTER = builders.cluster(
    *(builders.node(name, builders.device(name, kind=DeviceKind.CPU)) for name in NAMES)
)


def plans_for(replicas: int) -> PlanSet:
    workload = Serve(prompt_tokens=64, output_tokens=32, concurrent_requests=8)
    pins = Pins(tensor_parallel=1, pipeline_parallel=1, replicas=replicas)
    return make_plans(CLUSTER, FOUND.spec, workload, pins)


@pytest.fixture
def members(tmp_path: Path) -> FakeMembers:
    """a leads and has the engine; b has none."""

    def preview(paths: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
        assert body["order"]["model"] == "gpt2"
        missing = "" if paths.home.name == "a" else "the cpu engine is not installed: install it"
        return {"argv": ["python", paths.home.name], "env": {"X": "1"}, "missing": missing}

    homes = {name: Paths(home=tmp_path / name, engines=tmp_path / "engines") for name in NAMES}
    described = (member("a", is_here=False, is_coordinator=True), member("b"))
    return FakeMembers(homes, {"copy.preview": preview}, described=described)


def dry_run(members: FakeMembers) -> DryRun:
    here = Here(paths=members.homes["a"], node=CLUSTER.nodes[0], cores=(0,))
    home = Home(here=here, members=members, cluster=CLUSTER)
    wanted = Wanted(
        found=FOUND, random_weights=True, host="127.0.0.1", port=unused_port(), api_key_file=None,
        tied=True,
    )  # fmt: skip
    plans = plans_for(2)
    return copies_up.dry_run_copies(home, plans, plans.plans[0], wanted)


def test_a_dry_run_shows_every_command_and_says_which_pc_lacks_the_engine(
    members: FakeMembers,
) -> None:
    found = dry_run(members)
    assert [command.argv[-1] for command in found.spec.commands[1:]] == ["a", "b"]
    assert found.missing == ("b: the cpu engine is not installed: install it",)


def test_a_pc_that_cannot_tell_its_command_is_named_with_its_reason(members: FakeMembers) -> None:
    def preview(paths: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
        del paths, body
        raise MissingError("no such model here")

    members.handlers = {"copy.preview": preview}
    found = dry_run(members)
    assert [command.argv for command in found.spec.commands[1:]] == [(), ()]
    assert found.missing == ("a: no such model here", "b: no such model here")


def test_more_copies_than_devices_are_refused_for_that_and_nothing_else() -> None:
    reason = "9 whole copies need 9 devices, one each; the PCs have 2 that vLLM can use"
    with pytest.raises(HomeclusterError, match=reason):
        up.check_any(plans_for(9))


def copies_job(folder: JobFolder, plans: PlanSet, *, is_here: tuple[bool, bool]) -> jobs.JobView:
    copies = tuple(
        OrderedCopy(name=name, node=NodeId(name), is_here=here, order={})
        for name, here in zip(NAMES, is_here, strict=True)
    )
    write_copies(folder, Copies(copies=copies, fewer=False, silent_s=600.0))
    command = Command(node=NodeId("a"), argv=("router",), env=(), ready_when="now")
    launch = Launch(
        job_id=JobId("job"), created_at="2026-01-01T00:00:00+00:00", engine="2 copies", model="gpt2",
        model_folder="gpt2", random_weights=True, start_limit_s=60.0,
        spec=LaunchSpec(commands=(command,), host="127.0.0.1", port=1, served_model="gpt2"),
        tied=False, plan=plan_table(plans.plans[0]), workload=workload_table(plans.workload),
        cluster_fingerprint=None,
    )  # fmt: skip
    return jobs.JobView(folder=folder, launch=launch, state=Running(start_up_s=1.0), entry=None)


def test_a_pc_that_leads_copies_without_the_model_says_where_bench_can_run(tmp_path: Path) -> None:
    view = copies_job(JobFolder(path=tmp_path / "job"), plans_for(2), is_here=(False, False))
    paths = Paths(home=tmp_path / "home", engines=tmp_path / "engines")
    load = Load(workload=Serve(prompt_tokens=4, output_tokens=4), seconds=1.0, count_links=dict)
    with pytest.raises(MissingError, match="no file of the model") as refused:
        measure(paths, view, load, lambda _: None)
    assert "type `up` and `bench` on a or b" in (refused.value.hint or "")


def test_copies_are_predicted_for_another_load_though_they_hold_the_memory(tmp_path: Path) -> None:
    plans = plans_for(2)
    view = copies_job(JobFolder(path=tmp_path), plans, is_here=(True, False))
    full = builders.cluster(
        *(
            builders.node(
                name, builders.device(name, kind=DeviceKind.CPU, memory_free_bytes=GIB // 64)
            )
            for name in NAMES
        )
    )
    alone = Serve(prompt_tokens=64, output_tokens=32)
    told = bench.predict_again(view, full, FOUND.spec, alone)
    planned = plans.plans[0].estimate.output_tokens_per_s.mid
    assert 0 < told["output_tokens_per_s"]["mid"] < planned
    assert bench.longest_request(view, FOUND.spec) >= 96


def test_the_routers_own_metrics_tell_who_got_how_many_requests() -> None:
    table = table_of(
        [Backend(name=name, host="h", port=1, tokens_per_s=1.0, batch=1) for name in NAMES]
    )
    before = read_counts(metrics.own(table))
    for name in ("a", "b", "b"):
        table = began(table, name, 0.0)
    told = requests_given(before, read_counts(metrics.own(table)))
    assert told == [{"copy": "a", "requests": 1}, {"copy": "b", "requests": 2}]


def test_copies_of_this_pc_alone_have_no_link_to_count(
    tmp_path: Path, members: FakeMembers
) -> None:
    folder = JobFolder(path=tmp_path)
    copies_job(folder, plans_for(2), is_here=(True, True))
    assert count_links(members, folder)() == {}
