"""`homecluster probe` in a cluster, as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homecluster import wiring
from homecluster.domain.ids import NodeId
from netprobe.report import report_document
from tests.app.test_live_cluster import home_of
from tests.app.test_probe_members import Body, listen, report
from tests.cli.shell import run
from tests.fakes.home_members import HomeMembers

TROUBLE = {"cause": "client-isolation", "why": "c is kept apart", "remedy": "use a cable"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HomeMembers:
    """Three members; a is the coordinator, and nobody reaches c but a."""
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    real = home_of(tmp_path)

    def link(name: NodeId, _: Body) -> Body:
        if name != "a":
            failed = report_document(report()) | {"round_trip": None, "throughput": None}
            return {"report": failed, "trouble": TROUBLE}
        return {"report": report_document(report()), "trouble": None}

    found = HomeMembers(*real.everybody)
    found.answers = real.answers | {
        "probe.listen": listen,
        "probe.link": link,
        "probe.close": lambda _, __: {},
    }
    monkeypatch.setattr(wiring, "members", lambda: found)
    return found


def test_it_measures_every_pair_and_names_what_it_could_not(home: HomeMembers) -> None:
    ran = run("probe", "--quick")
    assert ran.code == 1
    assert "a - b" in ran.out
    assert "b and c: c is kept apart (client-isolation); use a cable" in ran.out
    assert home.asked.count((NodeId("a"), "probe.link")) == 2


def test_its_document_is_the_cluster_and_a_plan_uses_it(home: HomeMembers, tmp_path: Path) -> None:
    ran = run("probe", "--quick", "--json")
    assert sorted(ran.document["nodes"]) == ["a", "b", "c"]
    assert [one["between"] for one in ran.document["links"]] == [["a", "b"], ["a", "c"]]
    assert "client-isolation" in ran.err
    assert len(list((tmp_path / "links").iterdir())) == 2
    planned = run("plan", "--model", "gpt2", "--json")
    assert planned.code == 0
    nodes = {tuple(plan["nodes"]) for plan in planned.document["plans"]}
    assert ("a",) in nodes
    assert any(len(one) > 1 for one in nodes)
    assert home.asked.count((NodeId("a"), "live.read")) >= 1


def test_only_two_members_when_they_are_named(home: HomeMembers) -> None:
    ran = run("probe", "--quick", "--json", "--between", "a", "c")
    assert ran.code == 0
    assert sorted(ran.document["nodes"]) == ["a", "c"]
    assert ("b", "inventory") not in home.asked


@pytest.mark.parametrize("pair", [("a", "z"), ("a", "a")])
@pytest.mark.usefixtures("home")
def test_a_pair_that_is_none_is_wrong_input(pair: tuple[str, str]) -> None:
    ran = run("probe", "--quick", "--between", *pair)
    assert ran.code == 2
    assert "Traceback" not in ran.err


def test_between_needs_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    ran = run("probe", "--between", "a", "b")
    assert ran.code == 3
    assert "homecluster join" in ran.err


def test_the_live_cluster_document_can_be_planned_on_elsewhere(
    home: HomeMembers, tmp_path: Path
) -> None:
    document: dict[str, Any] = run("probe", "--quick", "--json").document
    file = tmp_path / "live.json"
    file.write_text(json.dumps(document))
    assert run("plan", "--model", "gpt2", "--cluster", file, "--json").code == 0
    assert home.members()


def test_a_plan_without_any_probe_still_sees_every_member(home: HomeMembers) -> None:
    planned = run("plan", "--model", "gpt2", "--json")
    assert planned.code == 0
    assert {name for plan in planned.document["plans"] for name in plan["nodes"]} == {"a", "b", "c"}
    assert ("a", "live.read") in home.asked
