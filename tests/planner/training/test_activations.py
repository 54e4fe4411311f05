"""Activation memory against the formulas of Korthikanti et al."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import DType
from homecluster.planner.training.activations import activation_bytes, layer_activation_bytes
from tests.builders import model

GPT2, SEQUENCE = model("gpt2"), 1024


@pytest.mark.parametrize("samples", [1, 4])
def test_a_plain_layer_keeps_34_s_b_h_bytes(samples: int) -> None:
    kept = layer_activation_bytes(GPT2, sequence_tokens=SEQUENCE, samples=samples, dtype=DType.BF16)
    assert kept == 34 * SEQUENCE * samples * 768


def test_materialised_scores_add_5_a_s_s_b() -> None:
    def layer(*, keeps_scores: bool) -> int:
        return layer_activation_bytes(
            GPT2, sequence_tokens=SEQUENCE, samples=2, dtype=DType.BF16, keeps_scores=keeps_scores
        )

    added = layer(keeps_scores=True) - layer(keeps_scores=False)
    assert added == 5 * 12 * SEQUENCE * SEQUENCE * 2


def whole(*, recompute: bool) -> int:
    return activation_bytes(
        GPT2, sequence_tokens=SEQUENCE, samples=1, dtype=DType.BF16, recompute=recompute
    )


def test_without_recomputation_every_layer_and_the_logits_are_kept() -> None:
    assert whole(recompute=False) == 12 * 34 * SEQUENCE * 768 + 10 * SEQUENCE * 50_257


def test_recomputation_keeps_2_s_b_h_per_layer() -> None:
    """And the larger of a layer at work and the logits."""
    assert whole(recompute=True) == 12 * 2 * SEQUENCE * 768 + 10 * SEQUENCE * 50_257


def test_an_encoder_has_no_logits() -> None:
    spec = model("bert-base")
    kept = activation_bytes(spec, sequence_tokens=128, samples=1, dtype=DType.BF16, recompute=False)
    assert kept == 12 * 34 * 128 * 768
