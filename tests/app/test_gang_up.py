"""From a plan to a gang that may start: who is asked what, and what ends it before anything runs."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homecluster.app import gang_ready, gang_up
from homecluster.app.gang_seats import seat
from homecluster.app.gang_trust import check_trust
from homecluster.app.offers import folder_for
from homecluster.app.plan import make_plans
from homecluster.app.shared_model import pulled_folder
from homecluster.app.up import Here, Wanted
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health
from homecluster.domain.plan import Backend
from homecluster.domain.workload import Serve
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.planner.problem import Pins
from homecluster.store import gang_store, share_files
from homecluster.store.job_store import JobFolder
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from tests import builders
from tests.fakes.gangs import FakeCluster, fake_cluster
from tests.fakes.members import member
from tests.ports import unused_port

ADDRESSES = {"a": "127.0.0.1", "b": "127.0.0.2"}


@pytest.fixture
def pcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "engines"))
    with fake_cluster(tmp_path) as cluster:
        cluster.members.described = tuple(
            member(name, address, is_here=name == "a") for name, address in ADDRESSES.items()
        )
        yield cluster


class Case:
    """A tensor-parallel pair of CPUs, planned."""

    def __init__(self, pcs: FakeCluster, **pins: int) -> None:
        self.nodes = tuple(
            builders.node(name, builders.device(name, kind=DeviceKind.CPU)) for name in ADDRESSES
        )
        self.cluster = builders.cluster(*self.nodes)
        self.found = find_model(str(pcs.homes["a"].models / "toy"))
        workload = Serve(prompt_tokens=16, output_tokens=8)
        shape: dict[str, Any] = {"tensor_parallel": 2, "pipeline_parallel": 1} | pins
        self.plans = make_plans(self.cluster, self.found.spec, workload, Pins(**shape))
        self.plan = next(plan for plan in self.plans.plans if gang_up.is_for_gang(plan))
        self.here = Here(paths=pcs.homes["a"], node=self.nodes[0], cores=(0,))
        self.wanted = Wanted(
            found=self.found, random_weights=False, host="127.0.0.1", port=unused_port(),
            api_key_file=None, tied=False,
        )  # fmt: skip
        self.members = pcs.members

    def ready(self, backend: Backend | None = None, *, dry_run: bool = False) -> gang_ready.Ready:
        return gang_ready.make_ready(
            self.members, self.cluster, self.plans, self.plan, self.wanted,
            here=self.here.paths, backend=backend, dry_run=dry_run,
        )  # fmt: skip


def test_every_pc_is_asked_before_anything_starts(pcs: FakeCluster) -> None:
    case = Case(pcs)
    ready = case.ready()
    assert ready.backend.backend is Backend.MP
    assert [part.order.share for part in ready.parts] == [0, 1]
    assert ready.parts[0].order.api_port == case.wanted.port
    assert not ready.forwards
    assert {verb for _, verb in pcs.members.asked} == {"share.check", "share.preview"}
    assert pcs.living() == []


def test_the_commands_are_those_of_the_pcs_themselves(pcs: FakeCluster) -> None:
    ready = Case(pcs).ready()
    told = gang_up.dry_run_gang(ready, Case(pcs).wanted)
    first, second = told.spec.commands
    assert told.missing == ()
    assert str(pcs.homes["a"].models) in " ".join(first.argv)
    assert str(pcs.homes["b"].models) in " ".join(second.argv)
    assert dict(second.env)["VLLM_HOST_IP"] == ADDRESSES["b"]


def test_a_dry_run_shows_the_commands_though_the_engine_and_the_port_are_missing(
    pcs: FakeCluster,
) -> None:
    case = Case(pcs)
    shutil.rmtree(pcs.homes["a"].engines)
    with pytest.raises(MissingError, match="not installed"):
        case.ready()
    with socket.create_server((case.wanted.host, case.wanted.port)):
        told = gang_up.dry_run_gang(case.ready(dry_run=True), case.wanted)
    assert [command.node for command in told.spec.commands] == ["a", "b"]
    assert dict(told.spec.commands[1].env)["VLLM_HOST_IP"] == ADDRESSES["b"]
    on_a, on_b, port = told.missing
    assert on_a.startswith("a: the cpu engine")
    assert on_b.endswith("homecluster engine install --cpu")
    assert str(case.wanted.port) in port


def test_where_the_first_stage_is_elsewhere_the_api_is_passed_on(pcs: FakeCluster) -> None:
    pcs.members.described = tuple(
        member(name, address, is_here=name == "b") for name, address in ADDRESSES.items()
    )
    ready = Case(pcs).ready()
    assert ready.forwards
    assert ready.parts[0].order.api_port != ready.port
    assert ready.parts[0].order.api_host == "127.0.0.1"


def test_a_model_that_one_pc_lacks_is_offered_to_it_alone(pcs: FakeCluster) -> None:
    shutil.rmtree(pcs.homes["b"].models / "toy")
    ready = Case(pcs).ready()
    assert gang_up.not_here_yet(ready) == ("b",)
    there = pulled_folder(pcs.homes["b"], "toy", ready.parts[1].order.shape)
    assert str(there) in ready.commands[1].argv
    assert folder_for(pcs.homes["a"], "toy", NodeId("b")) == pcs.homes["a"].models / "toy"
    with pytest.raises(InputError, match="offers no files"):
        folder_for(pcs.homes["a"], "toy", NodeId("c"))


def test_unlike_versions_end_it_before_the_start(
    pcs: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = pcs.members.handlers["share.check"]

    def other_on_b(paths, body):
        told = check(paths, body)
        versions = {**told["versions"], "vllm": "0.31.0" if paths.home.name == "b" else "0.32.0"}
        return {**told, "versions": versions}

    monkeypatch.setitem(pcs.members.handlers, "share.check", other_on_b)
    with pytest.raises(PeerError, match=r"vllm differs: 0\.32\.0 on a, 0\.31\.0 on b"):
        Case(pcs).ready()


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"can_be_dialled": False}, InputError, "behind-nat"),
        ({"health": Health.SUSPECT}, PeerError, "does not answer now"),
        ({"address": None}, PeerError, "address of b is unknown"),
    ],
)
def test_a_pc_that_cannot_hold_a_rank_is_told_why(changes, error, words) -> None:
    members = (member("a"), member("b", **{"address": "127.0.0.2"} | changes))
    with pytest.raises(error, match=words):
        seat((NodeId("a"), NodeId("b")), members)


def test_a_pc_that_is_no_member_is_named() -> None:
    with pytest.raises(InputError, match="c of the plan is no member"):
        seat((NodeId("c"),), (member("a"),))


def test_what_is_kept_of_a_gang_is_read_back(pcs: FakeCluster, tmp_path: Path) -> None:
    ready = Case(pcs).ready()
    folder = JobFolder(path=tmp_path / "jobs" / "x")
    kept = gang_store.GangRecord(parts=ready.parts, forwards=True)
    gang_store.write_gang(folder, kept)
    assert gang_store.read_gang(folder) == kept
    share_files.write_order(folder, ready.parts[1].order, led_by="desk")
    assert share_files.read_kept_order(folder) == (ready.parts[1].order, "desk")


def test_a_secret_of_a_gang_is_readable_by_its_user_only(tmp_path: Path) -> None:
    folder = JobFolder(path=tmp_path / "jobs" / "x")
    gang_store.write_token(folder, "ray_token", "s" * 64)
    share_files.write_secret(folder, "api_key", "k" * 32)
    secrets = [path for path in folder.path.iterdir() if path.is_file()]
    assert len(secrets) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in secrets)
    assert gang_store.read_token(folder, "ray_token") == "s" * 64


def test_open_ports_are_agreed_to_once(tmp_path: Path) -> None:
    paths = Paths(home=tmp_path / "home", engines=tmp_path / "engines")
    check_trust(paths, (), declared=False)
    with pytest.raises(InputError, match="b would be open"):
        check_trust(paths, ("b",), declared=False)
    check_trust(paths, ("b",), declared=True)
    check_trust(paths, ("b",), declared=False)


def test_a_pc_that_cannot_fence_is_named(pcs: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homecluster.app.gang_share.can_fence", lambda: False)
    assert gang_up.open_on(Case(pcs).ready()) == ("a", "b")
    monkeypatch.setattr("homecluster.app.gang_share.can_fence", lambda: True)
    assert gang_up.open_on(Case(pcs).ready()) == ()
