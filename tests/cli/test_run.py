"""`homecluster run` and `recipes`, as far as they need no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import run


def test_the_bundled_recipes_are_listed() -> None:
    ran = run("recipes", "--json")
    assert ran.code == 0, ran.err
    names = {one["name"] for one in ran.document["recipes"]}
    assert {
        *(
            "data-feed-unequal",
            "zero-copy-bert",
            "gpt2-hotspot-plan",
            "lora-8b-plan",
            "replica-sweep",
        ),
        *(
            "train-zero",
            "bert-pairs-zero3",
            "lora-small-team",
            "transformers-vs-vllm",
            "inference-log",
        ),
        *("throughput-multi-gpu", "lora-half-b-plan"),
    } <= names
    assert "data-feed-unequal" in run("recipes").out


def test_the_founding_case_is_planned_by_one_command() -> None:
    ran = run("run", "gpt2-hotspot-plan", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["verdict"]["kind"] == "single-node"
    assert [one["name"] for one in ran.document["what_if"]] == ["link=1gbe", "link=10gbe"]


def test_a_team_learns_whether_to_tune_together() -> None:
    ran = run("run", "lora-8b-plan")
    assert ran.code == 0, ran.err
    for words in ("qlora training", "samples/s", "what if link=wifi5"):
        assert words in ran.out


def test_the_rented_server_needs_two_cards_for_13b() -> None:
    ran = run("run", "throughput-multi-gpu", "--json")
    assert ran.code == 0, ran.err
    best = ran.document["plans"][0]
    assert best["tensor_parallel"] * best["pipeline_parallel"] >= 2


def test_a_dry_run_says_the_command_and_starts_nothing() -> None:
    ran = run("run", "data-feed-unequal", "--small", "--dry-run", "--json")
    assert ran.code == 0, ran.err
    (command,) = ran.document["commands"]
    assert command["argv"][1:4] == ["-m", "homecluster.jobs.feed_unequal", "--samples"]
    assert "700" in command["argv"]
    shown = run("run", "data-feed-unequal", "--dry-run").out
    for words in ("homecluster.jobs.feed_unequal", "homecluster engine install --cpu", "downloads nothing"):  # fmt: skip
        assert words in shown
    assert "plans training llama-3-8b on" in run("run", "lora-8b-plan", "--dry-run").out


@pytest.mark.parametrize(("reference", "words"), [("data-feed", "did you mean"), ("none.toml", "cannot read")])  # fmt: skip
def test_what_is_no_recipe_is_refused(reference: str, words: str) -> None:
    ran = run("run", reference)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert words in ran.err


def test_without_the_engine_the_way_to_get_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    monkeypatch.delenv("HOMECLUSTER_ENGINES", raising=False)
    ran = run("run", "train-zero", "--small")
    assert ran.code == 3
    assert "homecluster engine install --cpu --training" in ran.err
