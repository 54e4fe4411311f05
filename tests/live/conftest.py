"""What tests with a real engine share: the installed engine and a tiny model that tells tokens apart."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import MissingError
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.paths import paths_from

TINY_LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": False, "torch_dtype": "float32",
}  # fmt: skip
"""Not GPT-2: with random weights it repeats one token, so it cannot show a wrong layer."""


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The CPU engine of HOMECLUSTER_ENGINES; a test that needs it fails without it."""
    try:
        found = find_engine(paths_from(os.environ).engines, DeviceKind.CPU)
    except MissingError as error:
        pytest.fail(f"{error.message}; set HOMECLUSTER_ENGINES, or run: {error.hint}")
    return refresh_own_code(found)


@pytest.fixture(scope="session")
def tiny_llama(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    config = folder / "config.json"
    config.write_text(json.dumps(TINY_LLAMA))
    model = folder / "tiny-llama"
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", model, "--seed", "7"],
        check=True, timeout=120,
    )  # fmt: skip
    return model
