"""Real DeepSpeed over two emulated PCs: the losses of one PC, and on without the PC that is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from homecluster.store.engine_store import Engine
from tests.cluster.pcs import Pc
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.slow]

STEPS = 8
_RANKS = """
import os, signal
from pathlib import Path
for one in Path("/proc").glob("[0-9]*/cmdline"):
    if b"homecluster.jobs.train_zero" in one.read_bytes().split(bytes(1)):
        os.kill(int(one.parent.name), signal.SIGKILL)
"""
"""Kills the ranks of the PC where it runs."""


@pytest.fixture(autouse=True)
def _lab_possible() -> None:
    require_lab()


def train(pc: Pc, model: Path, output: Path, nodes: str) -> Any:
    """The document of `up --train` on these PCs, ZeRO stage 2."""
    rows = output.with_suffix(".jsonl")
    lines = [{"prompt": f"{i % 4} plus {i % 3} is ", "completion": str(i % 4 + i % 3)} for i in range(60)]  # fmt: skip
    rows.write_text("\n".join(map(json.dumps, lines)))
    return pc.document(
        *("up", "--train", "--model", model, "--data", rows, "--output", output, "--nodes", nodes),
        *("--sequence", "32", "--batch", "8", "--steps", str(STEPS), "--save-every", "2"),
        *("--zero-stage", "2", "--held-out", "0.1", "--trust-network"),
        timeout_s=400,
    )


def test_two_pcs_learn_what_one_does_and_one_goes_on_alone(
    engine: Engine, tiny_llama: Path, tmp_path: Path
) -> None:
    with Lab("1gbe", hosts=2, cpu_cores={"a": 1.0, "b": 1.0}) as lab:
        environment = {"HOMECLUSTER_ENGINES": str(engine.path.parent)}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        assert b.join(a.token()).returncode == 0
        probed = a.type("probe", "--quick", "--json", timeout_s=300)
        assert probed.returncode == 0, probed.stderr
        alone = train(a, tiny_llama, tmp_path / "alone", "a")

        threading.Thread(target=_kill_after_a_checkpoint, args=(b, tmp_path / "both"), daemon=True).start()  # fmt: skip
        both = train(a, tiny_llama, tmp_path / "both", "a,b")

    one, two = alone["measured"], both["measured"]
    assert (one["ranks"], one["held_out"]["after"]["rows"]) == (1, 6)
    assert [lost["node"] for lost in both["lost"]] == ["b"]
    assert (two["ranks"], two["steps"]) == (1, STEPS)
    assert two["first_step"] >= 2, both["lost"]
    assert two["losses"] == pytest.approx(one["losses"][two["first_step"] :], abs=0.02)


def _kill_after_a_checkpoint(pc: Pc, output: Path) -> None:
    within(300, lambda: any(output.glob("checkpoints/step-*")), lambda: "no checkpoint")
    pc.host.run(["python3", "-c", _RANKS])
