"""The bundled experiments that need an engine and have no test of their own, at their small size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homecluster.store.engine_store import Engine
from tests.cli.shell import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _state(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(engine.path.parent))
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))


def rows_of(recipe: str) -> list[dict[str, Any]]:
    ran = run("run", recipe, "--small", "--json")
    assert ran.code == 0, ran.err[-3000:]
    rows: list[dict[str, Any]] = ran.document["result"]["rows"]
    return rows


def test_stages_of_zero_learn_the_same() -> None:
    plain, zero_2 = rows_of("train-zero")
    assert zero_2["last_loss"] == pytest.approx(plain["last_loss"], rel=0.02)
    assert plain["last_loss"] < plain["first_loss"]


def test_adapters_are_judged_by_amount_of_data() -> None:
    assert [row["rows"] for row in rows_of("lora-small-team")] == [32, 64]


def test_bert_is_judged_by_accuracy_and_f1() -> None:
    (row,) = rows_of("bert-pairs-zero3")
    assert 0 <= row["f1"] <= 1
    assert 0 < row["accuracy"] <= 1


def test_both_engines_answer_the_same_prompts() -> None:
    rows = rows_of("transformers-vs-vllm")
    assert [(row["engine"], row["requests"]) for row in rows] == [
        ("transformers", 1), ("transformers", 2), ("vllm", 1), ("vllm", 2),
    ]  # fmt: skip


def test_the_cache_switch_is_shown_to_do_something() -> None:
    first, second, *_ = rows_of("inference-log")
    assert (first["use_cache"], second["use_cache"]) == (True, False)
    assert second["tokens_computed"] > 2 * first["tokens_computed"]
