"""Real DeepSpeed on this PC's CPU: the loss falls, a stopped run goes on, and the result can be served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homecluster.app.training_packages import training_folder
from homecluster.store.engine_store import Engine
from tests.cli.shell import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def trained(model: Path, folder: Path, *more: str) -> dict[str, Any]:
    ran = run("up", "--train", "--model", model, "--data", folder / "rows.jsonl", "--output", folder / "out",
              "--sequence", "32", "--batch", "4", "--save-every", "2", "--json", *more)  # fmt: skip
    assert ran.code == 0, ran.err[-3000:]
    return ran.document


def test_training_goes_on_from_its_checkpoint(
    engine: Engine, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not training_folder(engine).is_dir():
        pytest.skip(
            "the training packages are not there: homecluster engine install --cpu --training"
        )
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(engine.path.parent))
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    rows = [
        {"prompt": f"{i % 4} plus {i % 3} is ", "completion": str(i % 4 + i % 3)} for i in range(24)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))

    first = trained(tiny_llama, tmp_path, "--steps", "4")["measured"]
    again = trained(tiny_llama, tmp_path, "--steps", "8", "--resume")

    measured = again["measured"]
    assert (first["first_step"], len(first["losses"])) == (0, 4)
    assert (measured["first_step"], len(measured["losses"])) == (4, 4)
    assert measured["losses"][-1] < first["losses"][0]
    assert again["predicted"]["samples_per_s"]["mid"] > 0
    model = tmp_path / "out" / "model"
    assert (model / "config.json").is_file()
    assert (model / "model.safetensors").is_file()
    kept = [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()]
    assert sorted(kept) == ["step-6", "step-8"]
