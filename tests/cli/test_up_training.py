"""`homecluster up --train` as far as it needs no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import EXAMPLES, run


def test_what_is_missing_is_named() -> None:
    ran = run("up", "--train", "--model", "gpt2")
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert "--data and --output" in ran.err


def test_a_dry_run_says_the_command_and_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "no-engines"))
    ran = run("up", "--train", "--model", "gpt2", "--random-weights", "--sequence", "32", "--batch", "2",
              "--data", tmp_path / "rows.jsonl", "--output", tmp_path / "out", "--dry-run", "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    (commands,) = [plan["commands"] for plan in ran.document["plans"] if plan["commands"]]
    (command,) = commands
    assert "homecluster.jobs.train_zero" in command["argv"]
    settings = command["settings"]
    assert sum(settings["micro_batches"]) * settings["accumulation"] == 2
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
