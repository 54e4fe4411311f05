"""`homecluster probe` as users see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homecluster.cli import boundary
from homecluster.cli.main import cli
from homecluster.cli.render_probe import format_age
from homecluster.store.cluster_document import parse_cluster


def run(*arguments: str) -> int:
    return boundary.run(lambda: cli.main(list(arguments), standalone_mode=False))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    monkeypatch.delenv("HOMECLUSTER_ENGINES", raising=False)
    return tmp_path


def test_without_an_engine_it_shows_this_pc_marked_assumed_and_exits_with_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("probe") == 3
    output = capsys.readouterr().out
    assert "assumed" in output
    assert "homecluster engine install" in output
    assert "GB/s" in output


def test_its_json_is_one_document_that_plan_reads(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert run("probe", "--json") == 3
    captured = capsys.readouterr()
    (node,) = parse_cluster(captured.out, file="pc.json", as_json=True).nodes
    assert json.loads(captured.out)["schema"] == "homecluster.cluster/1"
    assert node.observed_at
    assert "homecluster engine install" in captured.err
    document = home / "pc.json"
    document.write_text(captured.out)
    assert run("plan", "--model", "gpt2", "--cluster", str(document), "--json") == 0
    assert node.id in capsys.readouterr().out


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        (3, "less than a minute"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (7200, "2 hours"),
        (90000, "1 day"),
    ],
)
def test_ages_are_told_in_one_unit(age_s: float, words: str) -> None:
    assert format_age(age_s) == words
