"""Real DeepSpeed over two emulated PCs: the losses of one PC, and on without the PC that is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
CUT_S = 20.0
_RANKS = """
import os, signal
from pathlib import Path
for one in Path("/proc").glob("[0-9]*/cmdline"):
    if b"homecluster.jobs.train_zero" in one.read_bytes().split(bytes(1)):
        os.kill(int(one.parent.name), signal.SIGKILL)
"""
"""Kills the ranks of the PC where it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Two PCs of one cluster; `a` leads."""

    lab: Lab
    a: Pc
    b: Pc

    def train(self, model: Path, output: Path, nodes: str, steps: int = STEPS) -> Any:
        """The document of `up --train` on these PCs, ZeRO stage 2."""
        rows = output.with_suffix(".jsonl")
        lines = [{"prompt": f"{i % 4} plus {i % 3} is ", "completion": str(i % 4 + i % 3)} for i in range(60)]  # fmt: skip
        rows.write_text("\n".join(map(json.dumps, lines)))
        return self.a.document(
            *("up", "--train", "--model", model, "--data", rows, "--output", output),
            *("--nodes", nodes, "--sequence", "32", "--batch", "8", "--steps", str(steps)),
            *("--save-every", "2", "--zero-stage", "2", "--held-out", "0.1", "--trust-network"),
            timeout_s=400,
        )


@pytest.fixture(scope="module")
def home(engine: Engine) -> Iterator[Home]:
    require_lab()
    with Lab("1gbe", hosts=2, cpu_cores={"a": 1.0, "b": 1.0}) as lab:
        environment = {"HOMECLUSTER_ENGINES": str(engine.path.parent)}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        assert b.join(a.token()).returncode == 0
        probed = a.type("probe", "--quick", "--json", timeout_s=300)
        assert probed.returncode == 0, probed.stderr
        yield Home(lab=lab, a=a, b=b)


def test_two_pcs_learn_what_one_does_and_one_goes_on_alone(
    home: Home, tiny_llama: Path, tmp_path: Path
) -> None:
    alone = home.train(tiny_llama, tmp_path / "alone", "a")
    after_a_checkpoint(tmp_path / "both", lambda: home.b.host.run(["python3", "-c", _RANKS]))
    both = home.train(tiny_llama, tmp_path / "both", "a,b")

    one, two = alone["measured"], both["measured"]
    assert (one["ranks"], one["held_out"]["after"]["rows"]) == (1, 6)
    assert [lost["node"] for lost in both["lost"]] == ["b"]
    assert (two["ranks"], two["steps"]) == (1, STEPS)
    assert two["first_step"] >= 2, both["lost"]
    assert two["losses"] == pytest.approx(one["losses"][two["first_step"] :], abs=0.02)


def test_a_pc_whose_link_was_away_is_left_out_and_ends_its_part_itself(
    home: Home, tiny_llama: Path, tmp_path: Path
) -> None:
    steps = 60
    """Enough to be cut in the middle."""

    def cut() -> None:
        home.lab.link("b").down()
        time.sleep(CUT_S)
        home.lab.link("b").up()

    after_a_checkpoint(tmp_path / "cut", cut)
    told = home.train(tiny_llama, tmp_path / "cut", "a,b", steps)

    assert [lost["node"] for lost in told["lost"]] == ["b"]
    assert "b has not answered for" in told["lost"][0]["reason"]
    assert (told["measured"]["ranks"], told["measured"]["steps"]) == (1, steps)
    assert told["measured"]["first_step"] >= 2
    within(60, lambda: set(home.a.health().values()) == {"alive"}, home.a.health)
    within(60, lambda: "trains here" not in home.b.type("status").stdout)


def after_a_checkpoint(output: Path, happens: Callable[[], object]) -> None:
    """From a thread, once the training that begins now has saved its first one."""

    def wait() -> None:
        within(300, lambda: any(output.glob("checkpoints/step-*")), lambda: "no checkpoint")
        happens()

    threading.Thread(target=wait, daemon=True).start()
