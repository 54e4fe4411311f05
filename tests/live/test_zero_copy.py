"""Weights shared without a copy: the same model, in shared memory, that nobody can change."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from homecluster.launch.engine_tool import run_tool
from homecluster.store.engine_store import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_a_module_put_together_is_the_module_it_was(engine: Engine) -> None:
    done = subprocess.run(
        [engine.python, Path(__file__).with_name("zero_copy_here.py")],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [name for name, holds in found.items() if not holds] == []


def test_processes_share_one_bert_and_give_the_same_outputs(engine: Engine) -> None:
    ended = run_tool(
        (str(engine.python), "-m", "homecluster.jobs.zero_copy_bert", "--shape", "tiny",
         "--repeat", "3", "--processes", "2"),
        os.environ, variables=(("HF_HUB_OFFLINE", "1"),), limit_s=400, tell=lambda _: None,
    )  # fmt: skip
    assert ended.code == 0, ended.said
    document = json.loads(ended.output.splitlines()[-1])
    assert document["same_outputs"]
    assert document["shared_memory"]
    assert document["writing_refused"]
