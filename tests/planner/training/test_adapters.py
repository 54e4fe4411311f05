"""What LoRA trains and what QLoRA holds, against published counts."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import DType
from homecluster.domain.training import Method
from homecluster.planner.training.adapters import held_weight_bytes, trainable_parameters
from tests.builders import model


def test_all_linear_lora_of_llama_3_8b_trains_41_943_040_parameters() -> None:
    """What PEFT prints for r = 16 on every linear layer."""
    assert trainable_parameters(model("llama-3-8b"), Method.LORA, 16) == 41_943_040


def test_adapters_grow_with_their_rank() -> None:
    spec = model("gpt2")
    assert trainable_parameters(spec, Method.LORA, 32) == 2 * trainable_parameters(
        spec, Method.LORA, 16
    )


def test_gpt2s_fused_attention_gets_one_adapter() -> None:
    """12 x 16 x ((768 + 2304) + (768 + 768) + 2 x (768 + 3072)) = 2,359,296."""
    assert trainable_parameters(model("gpt2"), Method.LORA, 16) == 2_359_296


def test_full_training_trains_every_parameter() -> None:
    assert trainable_parameters(model("gpt2"), Method.FULL, 16) == 124_439_808


def test_qlora_holds_an_8b_model_in_less_than_6_gb() -> None:
    """6.98 G matrix elements x 4.127 bits = 3.6 GB, and 2.1 GB of embedding and head in 16 bits."""
    held = held_weight_bytes(model("llama-3-8b"), Method.QLORA, DType.BF16)
    assert held == pytest.approx(5.7e9, rel=0.01)


def test_lora_holds_the_model_whole() -> None:
    spec = model("llama-3-8b")
    assert held_weight_bytes(spec, Method.LORA, DType.BF16) == pytest.approx(16.06e9, rel=0.01)
