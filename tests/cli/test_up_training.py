"""`homecluster up --train` as far as it needs no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import EXAMPLES, run


@pytest.fixture
def _no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "no-engines"))


def test_what_is_missing_is_named() -> None:
    ran = run("up", "--train", "--model", "gpt2")
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert "--data and --output" in ran.err


@pytest.mark.usefixtures("_no_engine")
def test_a_dry_run_says_the_command_and_its_settings(tmp_path: Path) -> None:
    ran = run("up", "--train", "--model", "gpt2", "--random-weights", "--sequence", "32", "--batch", "2",
              "--data", tmp_path / "rows.jsonl", "--output", tmp_path / "out", "--dry-run", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    (commands,) = [plan["commands"] for plan in ran.document["plans"] if plan["commands"]]
    (command,) = commands
    assert "homecluster.jobs.train_zero" in command["argv"]
    settings = command["settings"]
    assert sum(settings["micro_batches"]) * settings["accumulation"] == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_no_engine")
@pytest.mark.parametrize(
    ("model", "line", "code", "words"),
    [
        ("gpt2", '{"txet": "a"}', 2, "rows.jsonl:2: is none of"),
        ("llama-3-70b", '{"text": "a"}', 1, "short"),
    ],
)
def test_what_cannot_end_well_is_named_before_anything_starts(
    tmp_path: Path, model: str, line: str, code: int, words: str
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "good"}\n' + line)
    ran = run("up", "--train", "--model", model, "--random-weights", "--data", rows, "--output", tmp_path / "out")  # fmt: skip
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert words in ran.err
    assert not (tmp_path / "out").exists()


def test_a_plan_to_train_is_no_plan_to_serve(tmp_path: Path) -> None:
    planned = run(
        "plan", "--train", "--model", "gpt2", "--cluster", EXAMPLES / "hotspot.toml", "--json"
    )
    file = tmp_path / "plan.json"
    file.write_text(planned.out)
    ran = run("up", "--plan", file, "--dry-run")
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert "plan to train" in ran.err
