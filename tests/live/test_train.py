"""Real DeepSpeed on this PC's CPU: the loss falls, a stopped run goes on, and what came out is judged and served."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homecluster.app.plan_training import make_train_plans
from homecluster.app.train_command import Folders, train_command
from homecluster.app.train_order import TrainOrder, settings_of
from homecluster.app.train_ready import Run, order_of
from homecluster.app.training_packages import find_training
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.training import Train
from homecluster.launch.engine_tool import run_tool
from homecluster.store.engine_store import Engine
from homecluster.store.models import find_model
from tests.builders import cluster, device, model, node
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


def one_pc() -> TrainOrder:
    """A training on one PC, as its plan says."""
    pc = NodeId("a")
    home = cluster(node(pc, device(pc, kind=DeviceKind.CPU)))
    plans = make_train_plans(home, model("gpt2"), Train(global_batch=4, sequence_tokens=32))
    asked = Run(found=find_model("gpt2"), random_weights=True, steps=2, save_every=2, held_out=0.0)
    return order_of(home, plans, plans.plans[0], {pc: "127.0.0.1"}, asked)


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


def test_a_pc_with_two_devices_has_two_ranks(
    engine: Engine, tiny_llama: Path, tmp_path: Path
) -> None:
    """torch's launcher starts them; stage 3 gathers what each of them holds half of."""
    order = replace(one_pc(), devices=((0, 1),), micro_batches=(1, 3), zero_stage=3, steps=2)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(settings_of(order)))
    folders = Folders(
        model=tiny_llama, data=tmp_path / "rows.jsonl", output=tmp_path / "out", settings=settings
    )
    command = train_command(order, engine, find_training(engine), folders, resume=False)
    ended = run_tool(
        command.argv, os.environ, variables=command.env, limit_s=400, tell=lambda _line: None
    )
    assert ended.code == 0, ended.said
    told = json.loads(ended.output.strip().splitlines()[-1])
    assert (told["ranks"], told["steps"], len(told["losses"])) == (2, 2, 2)
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()
