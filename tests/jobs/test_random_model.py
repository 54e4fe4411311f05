import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.errors import InputError, MissingError
from homecluster.jobs.random_model import write_random_model
from homecluster.jobs.random_weights import Tensor, _shards, write_weights
from homecluster.planner.weights import parameter_count
from homecluster.store.engine_store import engines_in
from homecluster.store.model_config import parse_config
from homecluster.store.paths import paths_from

ROOT = Path(__file__).parents[2]
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 2050,
    "max_position_embeddings": 512,
    "torch_dtype": "bfloat16",
}
"""vLLM's CPU attention has no kernel for heads smaller than 32."""
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "gpt2": {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 600},
    "opt": {
        "architectures": ["OPTForCausalLM"],
        "hidden_size": 64,
        "ffn_dim": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 600,
        "word_embed_proj_dim": 32,
        "do_layer_norm_before": False,
    },
    "bloom": {"model_type": "bloom", "hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 600},
    "gemma2": LLAMA | {"architectures": ["Gemma2ForCausalLM"], "head_dim": 32},
    "phi": LLAMA | {"architectures": ["PhiForCausalLM"]},
    "phi3": LLAMA | {"architectures": ["Phi3ForCausalLM"]},
    "qwen2": LLAMA | {"architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": True},
    "qwen3": LLAMA | {"architectures": ["Qwen3ForCausalLM"]},
    "mixtral": LLAMA | {"architectures": ["MixtralForCausalLM"], "num_local_experts": 4},
    "qwen2_moe": LLAMA | {"architectures": ["Qwen2MoeForCausalLM"], "num_experts": 4},
    "qwen3_moe": LLAMA
    | {"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 4, "num_experts_per_tok": 2},
    "bert": {"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
}  # fmt: skip


def written(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps(config))
    return path


def test_a_quantised_checkpoint_is_not_invented(tmp_path: Path) -> None:
    section = {"quant_method": "awq", "bits": 4, "group_size": 128}
    config = written(tmp_path, LLAMA | {"quantization_config": section})
    with pytest.raises(InputError, match="unquantised only"):
        write_random_model(config, tmp_path / "out", seed=0)


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        write_random_model(written(tmp_path, LLAMA), tmp_path, seed=0)


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 1024**2))
    tensor = Tensor(name="large", shape=(10_000, 10_000), mean=0, deviation=1)
    two_bytes = cast("Any", SimpleNamespace(itemsize=2))
    with pytest.raises(MissingError, match="191 MiB"):
        write_weights(tmp_path, (tensor,), dtype=two_bytes, seed=0, progress=lambda _: None)
    assert not list(tmp_path.iterdir())


@given(st.lists(st.integers(1, 100), min_size=1), st.integers(1, 150))
def test_shards_keep_every_tensor_in_order_and_overflow_only_for_a_large_one(
    sizes: list[int], limit: int
) -> None:
    tensors = tuple(
        Tensor(name=str(i), shape=(size,), mean=0, deviation=1) for i, size in enumerate(sizes)
    )
    shards = list(_shards(tensors, 1, limit))
    assert [tensor for shard in shards for tensor in shard] == list(tensors)
    for shard in shards:
        assert len(shard) == 1 or sum(tensor.elements for tensor in shard) <= limit


@pytest.fixture(scope="session")
def engine_python() -> Path:
    engines = engines_in(paths_from(os.environ).engines)
    if not engines:
        pytest.skip("no engine environment: homecluster engine install --cpu")
    return engines[0].python


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    return subprocess.run(
        (str(python), *arguments),
        cwd=ROOT,
        env=dict(os.environ) | offline | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def make(python: Path, config: Path, out: Path, seed: int = 1) -> subprocess.CompletedProcess[str]:
    return run(
        python,
        *("-m", "homecluster.jobs.random_model"),
        *("--config", str(config), "--out", str(out), "--seed", str(seed)),
    )  # fmt: skip


def elements(folder: Path) -> int:
    """Counted from the safetensors headers."""
    total = 0
    for path in folder.glob("*.safetensors"):
        data = path.read_bytes()
        header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
        header.pop("__metadata__")
        width = {"F32": 4, "F16": 2, "BF16": 2}
        for entry in header.values():
            start, stop = entry["data_offsets"]
            total += (stop - start) // width[entry["dtype"]]
    return total


_LOAD = """
import json, sys
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
kind = AutoModel if sys.argv[2] == "bert" else AutoModelForCausalLM
_, info = kind.from_pretrained(sys.argv[1], output_loading_info=True)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
print(json.dumps({key: sorted(map(str, value)) for key, value in info.items() if value}))
print(json.dumps([len(tokenizer), tokenizer.decode(tokenizer("Hello, how are you?").input_ids)]))
"""


@pytest.mark.engine
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_loads_every_family_with_no_tensor_missing_or_left_over(
    family: str, tmp_path: Path, engine_python: Path
) -> None:
    out = tmp_path / "model"
    made = make(engine_python, written(tmp_path, FAMILIES[family]), out)
    assert (made.returncode, made.stderr.count("writing")) == (0, 1), made.stderr
    loaded = run(engine_python, "-c", _LOAD, str(out), family)
    assert loaded.returncode == 0, loaded.stderr
    info, tokenizer = map(json.loads, loaded.stdout.strip().splitlines()[-2:])
    spec = parse_config(FAMILIES[family], name=family, where=family)
    assert info == {}
    assert tokenizer == [spec.vocab_size, "Hello, how are you?"]
    assert elements(out) == parameter_count(spec)


@pytest.mark.engine
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    tmp_path: Path, engine_python: Path
) -> None:
    config = written(tmp_path, LLAMA)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert make(engine_python, config, tmp_path / name, seed).returncode == 0
    one, same, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert one == same
    assert one != other


@pytest.mark.engine
def test_a_wrong_configuration_is_one_line_and_leaves_nothing(
    tmp_path: Path, engine_python: Path
) -> None:
    made = make(engine_python, written(tmp_path, LLAMA | {"vocab_size": 100}), tmp_path / "out")
    assert made.returncode == 2
    assert "vocabulary of 100 is too small" in made.stderr
    assert "Traceback" not in made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["given.json"]


_GENERATE = """
import json, sys
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    engine = LLM(sys.argv[1], enforce_eager=True, max_model_len=256)
    greedy = SamplingParams(temperature=0, max_tokens=32)
    answer = engine.generate(["Hello, how are you?"], greedy)[0].outputs[0]
    chat = engine.chat([{"role": "user", "content": "Hello"}], greedy)[0].outputs[0]
    print("ANSWER", json.dumps([list(answer.token_ids), answer.text, chat.text]))
"""


@pytest.mark.engine
def test_vllm_runs_a_random_llama_that_says_many_words(tmp_path: Path, engine_python: Path) -> None:
    assert make(engine_python, written(tmp_path, LLAMA), tmp_path / "model").returncode == 0
    script = tmp_path / "generate.py"  # a file, because vLLM starts its processes by spawning
    script.write_text(_GENERATE)
    ran = run(engine_python, str(script), str(tmp_path / "model"))
    assert ran.returncode == 0, ran.stderr[-3000:]
    line = next(line for line in ran.stdout.splitlines() if line.startswith("ANSWER"))
    token_ids, text, chat = json.loads(line.removeprefix("ANSWER"))
    assert len(token_ids) == 32
    assert len(set(token_ids)) > 8
    assert "\N{REPLACEMENT CHARACTER}" not in text
    assert chat
