import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.hardware import DType
from homecluster.domain.model import Experts, ModelSpec, Quantization
from homecluster.errors import InputError
from homecluster.planner.weights import parameter_count
from homecluster.store.model_config import parse_config
from homecluster.store.model_families import ARCHITECTURE_OF_TYPE, FAMILIES, MODEL_TYPES
from homecluster.store.models import find_model

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
"""Published config.json files, as they are."""

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "torch_dtype": "float16",
}
QWEN_MOE: dict[str, Any] = {
    **LLAMA,
    "architectures": ["Qwen2MoeForCausalLM"],
    "num_experts": 60,
    "num_experts_per_tok": 4,
}


def parse(config: object) -> ModelSpec:
    return parse_config(config, name="model", where="config.json")


def published(name: str) -> ModelSpec:
    return parse(json.loads((CONFIGS / f"{name}.json").read_text()))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("meta-llama__Meta-Llama-3.1-8B", 8_030_261_248),
        ("mistralai__Mixtral-8x7B-v0.1", 46_702_792_704),
        ("Qwen__Qwen3-8B", 8_190_735_360),
        ("Qwen__Qwen3-32B-FP8", 32_762_123_264),
        ("Qwen__Qwen3-30B-A3B-FP8", 30_532_122_624),
    ],
)
def test_a_published_config_gives_the_published_total(name: str, parameters: int) -> None:
    assert parameter_count(published(name)) == parameters


def test_a_published_fp8_config_says_one_scale_per_128_by_128_block() -> None:
    assert published("Qwen__Qwen3-30B-A3B-FP8").quantization == Quantization(
        method="fp8", weight_bits=8, group_size=128 * 128, scale_bits=32
    )


def test_an_empty_gpt2_config_is_the_small_gpt2() -> None:
    spec = parse({"model_type": "gpt2"})
    assert parameter_count(spec) == 124_439_808
    assert spec.dtype is DType.FP32


def test_a_llama_without_key_value_heads_has_one_per_head() -> None:
    assert parse(LLAMA).kv_heads == 32


def test_null_counts_as_missing() -> None:
    assert parse(LLAMA | {"num_key_value_heads": None, "head_dim": None}) == parse(LLAMA)


def test_qwen_moe_without_sizes_takes_the_family_s_defaults() -> None:
    spec = parse({key: value for key, value in QWEN_MOE.items() if "experts" not in key})
    assert spec.experts == Experts(
        count=60, per_token=4, ffn_size=1408, shared_ffn_size=5632, shared_gate=True
    )


def test_opt_350m_is_told_apart_from_its_sisters() -> None:
    small = {"architectures": ["OPTForCausalLM"], "hidden_size": 1024, "num_hidden_layers": 24}
    small |= {"num_attention_heads": 16, "ffn_dim": 4096}
    odd = parse(small | {"word_embed_proj_dim": 512, "do_layer_norm_before": False})
    assert parameter_count(odd) == 331_196_416
    assert (odd.embedding_size, odd.final_norm, odd.position_rows) == (512, False, 2050)


def test_a_sliding_window_counts_only_where_every_layer_has_it() -> None:
    window = {"sliding_window": 4096}
    assert (
        parse(LLAMA | window | {"architectures": ["MistralForCausalLM"]}).sliding_window_tokens
        == 4096
    )
    for mixed in ("Gemma2ForCausalLM", "Qwen2ForCausalLM"):
        assert parse(LLAMA | window | {"architectures": [mixed]}).sliding_window_tokens is None


def test_the_language_part_of_a_model_that_sees_is_read() -> None:
    part = {key: value for key, value in LLAMA.items() if key != "architectures"}
    spec = parse(
        {
            "architectures": ["LlavaForConditionalGeneration"],
            "text_config": part | {"model_type": "llama"},
        }
    )
    assert spec.architecture == "LlamaForCausalLM"
    assert spec.layers == 32


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
            Quantization(method="awq", weight_bits=4, group_size=128, zero_point_bits=4),
        ),
        (
            {"quant_method": "gptq", "bits": 8, "group_size": -1, "sym": True},
            Quantization(method="gptq", weight_bits=8, group_size=None, zero_point_bits=8),
        ),
        (
            {"quant_method": "fp8", "activation_scheme": "static"},
            Quantization(method="fp8", weight_bits=8, group_size=None, scale_bits=32),
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {
                        "targets": ["Linear"],
                        "weights": {"num_bits": 4, "group_size": 128, "symmetric": True},
                    }
                },
            },
            Quantization(method="compressed-tensors", weight_bits=4, group_size=128),
        ),
        (
            {
                "quant_method": "bitsandbytes",
                "load_in_4bit": True,
                "bnb_4bit_use_double_quant": True,
            },
            Quantization(method="bitsandbytes", weight_bits=4, group_size=64, scale_bits=8),
        ),
        (
            {"quant_method": "bitsandbytes", "load_in_8bit": True},
            Quantization(method="bitsandbytes", weight_bits=8, group_size=None, scale_bits=32),
        ),
    ],
)
def test_quantisation_is_understood(section: dict[str, Any], expected: Quantization) -> None:
    assert parse(LLAMA | {"quantization_config": section}).quantization == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_attention_heads": 31}, "hidden size 4096 is not a multiple of the 31"),
        ({"num_key_value_heads": 5}, "num_key_value_heads 5"),
        ({"num_key_value_heads": 64}, "num_key_value_heads 64"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_hidden_layers": -32}, "num_hidden_layers is -32"),
        ({"num_hidden_layers": "32"}, "num_hidden_layers is '32'"),
        ({"num_hidden_layers": 32.0}, "num_hidden_layers is 32.0"),
        ({"num_hidden_layers": True}, "num_hidden_layers is true"),
        ({"num_hidden_layers": [32]}, "num_hidden_layers is a list"),
        ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
        ({"hidden_size": 10**12}, "hidden_size is 1000000000000"),
        ({"hidden_size": 10**2000}, "hidden_size is a number of 6644 bits"),
        ({"hidden_size": 2**24, "intermediate_size": 2**24}, "no such model exists"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1"),
        ({"torch_dtype": "float4"}, "torch_dtype is 'float4'"),
        ({"torch_dtype": 16}, "torch_dtype is 16"),
        ({"architectures": "LlamaForCausalLM"}, "architectures is 'LlamaForCausalLM'"),
        ({"architectures": ["MambaForCausalLM"]}, "architecture 'MambaForCausalLM' is not known"),
        ({"architectures": [{}]}, "architecture an object is not known"),
        ({"architectures": None}, "architecture model_type '' is not known"),
        ({"text_config": 7}, "text_config is 7"),
        ({"quantization_config": "awq"}, "quantization_config is 'awq'"),
        ({"quantization_config": {"quant_method": "exl3"}}, "quant_method 'exl3' is not known"),
        ({"quantization_config": {"quant_method": "awq", "bits": 7}}, "bits is 7"),
        ({"quantization_config": {"quant_method": "awq"}}, "bits is missing"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 0}},
            "group_size is 0",
        ),
        (
            {"quantization_config": {"quant_method": "fp8", "weight_block_size": [0, 1]}},
            "weight_block_size",
        ),
        (
            {"quantization_config": {"quant_method": "compressed-tensors"}},
            "config_groups is missing",
        ),
    ],
)
def test_a_lying_config_is_refused_by_key(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(LLAMA | change)
    assert refusal.value.message.startswith("config.json")
    assert named in refusal.value.message


def test_more_experts_per_token_than_experts_are_refused() -> None:
    with pytest.raises(InputError, match="num_experts_per_tok 61 is more than the 60 experts"):
        parse(QWEN_MOE | {"num_experts_per_tok": 61})


def test_layers_that_differ_are_refused_rather_than_counted_wrongly() -> None:
    for change in ({"mlp_only_layers": [0]}, {"decoder_sparse_step": 2}):
        with pytest.raises(InputError, match="with and without experts"):
            parse(QWEN_MOE | change)


@pytest.mark.parametrize("whole", [None, 7, "gpt2", [], [LLAMA]])
def test_a_config_that_is_no_object_is_refused(whole: object) -> None:
    with pytest.raises(InputError, match="not the object"):
        parse(whole)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "config.json"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b" " * 100_000_000, "larger than any"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "not valid JSON"),
        (b'{"hidden_size": NaN}', "NaN is not a number"),
        (b'{"hidden_size": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
    ids=["1000 deep", "100000 deep", "100 MB", "not UTF-8", "empty", "NaN", "5000 digits"],
)
def test_a_hostile_file_is_refused_at_once_and_named(
    tmp_path: Path, content: bytes, named: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(InputError) as refusal:
        find_model(str(path))
    assert time.monotonic() - started < 20
    assert str(path) in refusal.value.message
    assert named in refusal.value.message


def test_every_family_has_its_model_type_and_back() -> None:
    assert set(MODEL_TYPES) == set(FAMILIES)
    assert set(ARCHITECTURE_OF_TYPE) == set(MODEL_TYPES.values())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "intermediate_size", "vocab_size", "n_embd", "n_head", "n_layer", "n_inner", "ffn_dim", "num_experts",
    "num_experts_per_tok", "moe_intermediate_size", "sliding_window", "tie_word_embeddings", "text_config",
    "torch_dtype", "quantization_config", "mlp_only_layers", "word_embed_proj_dim", "max_position_embeddings",
)  # fmt: skip


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(FAMILIES)), st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=4)
)
def test_whatever_a_config_holds_it_is_read_or_refused(
    architecture: str, change: dict[str, Any]
) -> None:
    try:
        spec = parse(LLAMA | {"architectures": [architecture]} | change)
    except InputError as error:
        refusal = error.message
    else:
        refusal = ""
        assert 0 < parameter_count(spec) <= 10**14
    assert not refusal or "config.json" in refusal
    assert len(refusal) < 400
