"""Real vLLM on this PC's CPU: what the plug-in mends gives the same tokens as a single process."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from homecluster.domain.hardware import DeviceKind
from homecluster.engines.vllm_environment import engine_environment
from homecluster.engines.vllm_launch import draft_arguments
from homecluster.inventory.system import read_system
from homecluster.launch.process_environment import process_environment
from homecluster.store.engine_store import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROMPTS = ["Once upon a time", "The quick brown fox jumps", "42"]


def greedy_tokens(
    engine: Engine,
    model: Path,
    folder: Path,
    *,
    tensor: int = 1,
    pipeline: int = 1,
    drafts: int = 0,
) -> tuple[list[list[int]], str]:
    """(token ids, the engine's log)."""
    out = folder / f"tokens-{tensor}-{pipeline}.json"
    drafting = draft_arguments(drafts)[-1] if drafts else "null"
    variables = engine_environment(
        kind=DeviceKind.CPU,
        ranks=tensor * pipeline,
        cores=read_system().engine_cores,
        weights_local=True,
        partition=(1, 3) if pipeline == 2 else (),
        openmp_library=engine.openmp_library,
    )
    done = subprocess.run(
        [engine.python, Path(__file__).with_name("generate.py"), model, str(tensor), str(pipeline), drafting,
         json.dumps(PROMPTS), out],
        env=process_environment(os.environ, command=variables, job_id="test", api_key=None),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-3000:]
    return json.loads(out.read_text()), log


@pytest.fixture(scope="module")
def single(
    engine: Engine, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[list[int]]:
    tokens, _ = greedy_tokens(engine, tiny_llama, tmp_path_factory.mktemp("single"))
    return tokens


def test_the_model_tells_prompts_and_places_apart(single: list[list[int]]) -> None:
    assert len({tuple(tokens) for tokens in single}) == len(PROMPTS)
    assert len({token for tokens in single for token in tokens}) > 8


def test_an_eager_pipeline_with_uneven_stages_gives_the_same_tokens(
    engine: Engine, tiny_llama: Path, single: list[list[int]], tmp_path: Path
) -> None:
    tokens, log = greedy_tokens(engine, tiny_llama, tmp_path, pipeline=2)
    assert tokens == single
    assert "allocated what this pipeline stage receives" in log


def test_tensor_parallel_gives_the_same_tokens_through_shared_memory(
    engine: Engine, tiny_llama: Path, single: list[list[int]], tmp_path: Path
) -> None:
    tokens, log = greedy_tokens(engine, tiny_llama, tmp_path, tensor=2)
    assert tokens == single
    assert "do not share memory" not in log


def test_drafted_tokens_are_checked_and_the_answers_stay_the_same(
    engine: Engine, tiny_llama: Path, single: list[list[int]], tmp_path: Path
) -> None:
    tokens, log = greedy_tokens(engine, tiny_llama, tmp_path, drafts=4)
    assert tokens == single
    (right,) = re.findall(r"drafts that were right: (\d+)", log)
    assert int(right) > 0
