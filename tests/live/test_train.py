"""Real DeepSpeed on this PC's CPU: the loss falls, a stopped run goes on, and what came out is judged and served."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from homecluster.store.engine_store import Engine
from tests.cli.shell import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _state(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(engine.path.parent))
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    rows = [
        {"prompt": f"{i % 4} plus {i % 3} is ", "completion": str(i % 4 + i % 3)} for i in range(24)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))


def trained(model: Path, folder: Path, *more: str) -> dict[str, Any]:
    ran = run("up", "--train", "--model", model, "--data", folder / "rows.jsonl", "--output", folder / "out",
              "--sequence", "32", "--batch", "4", "--save-every", "2", "--json", *more)  # fmt: skip
    assert ran.code == 0, ran.err[-3000:]
    return ran.document


def completion(port: int, model: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"model": model, "prompt": "1 plus 2 is ", "max_tokens": 2, "temperature": 0}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})  # fmt: skip
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer


def test_training_goes_on_from_its_checkpoint(tiny_llama: Path, tmp_path: Path) -> None:
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


def test_a_trained_adapter_is_judged_and_served(tiny_llama: Path, tmp_path: Path) -> None:
    measured = trained(
        tiny_llama, tmp_path, "--method", "lora", "--steps", "3", "--held-out", "0.25"
    )["measured"]
    assert measured["held_out"]["after"]["rows"] == 6
    assert (tmp_path / "out" / "adapter" / "adapter_config.json").is_file()

    ran = run("up", "--model", tmp_path / "out" / "model", "--port", "0", "--detach", "--json",
              "--prompt-tokens", "32", "--output-tokens", "8")  # fmt: skip
    try:
        assert ran.code == 0, ran.err[-3000:]
        port = int(ran.document["base_url"].rpartition(":")[2].partition("/")[0])
        answer = completion(port, ran.document["served_model"])
        assert answer["usage"]["completion_tokens"] >= 1
    finally:
        run("down", "--all")
