"""Tensors that ZeRO-3 keeps whole, against what a real model under DeepSpeed has."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.training import Method
from homecluster.planner.training.small_tensors import small_tensors
from tests.builders import model

TWO_LAYERS = replace(model("gpt2"), layers=2, hidden_size=320, heads=5, kv_heads=5, head_size=64, ffn_size=1280, position_rows=256)  # fmt: skip
"""The training grid's model; its collectives were counted."""


def test_norms_biases_and_positions_of_a_small_gpt2() -> None:
    """DeepSpeed gathered 19 beside the one message of its large matrices."""
    assert small_tensors(TWO_LAYERS, Method.FULL, 16) == 19


def test_its_adapters_come_to_them() -> None:
    assert small_tensors(TWO_LAYERS, Method.LORA, 16) == 19 + 16


def test_of_llama_3_8b_only_norms_and_the_narrow_ends_of_adapters() -> None:
    """Per layer 2 norms; 11 of 14 adapter matrices: 16 x 14,336 is too large, 16 x 4,096 and 16 x 1,024 are not."""
    llama = model("llama-3-8b")
    assert small_tensors(llama, Method.FULL, 16) == 32 * 2 + 1
    assert small_tensors(llama, Method.LORA, 16) == 32 * (2 + 11) + 1
