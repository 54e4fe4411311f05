"""What a forward pass leaves in memory for the way back, with and without recomputing it."""

from __future__ import annotations

from typing import Final

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.model import ModelSpec

LOGIT_BYTES: Final = 10
"""Per entry of the logits: 2 as computed, 4 as fp32 for the loss, 4 for their gradient."""


def layer_activation_bytes(
    spec: ModelSpec, *, sequence_tokens: int, samples: int, dtype: DType, keeps_scores: bool = False
) -> int:
    """Bytes that one layer keeps, as counted by Korthikanti et al. (arXiv 2205.05198, section 4.1).

    Their s b h (34 + 5 a s / h) is for a feed-forward width of 4 h and as many key heads as query heads;
    here the same items are counted one by one, so that gated and grouped layers come out right:

        norms        2 x 2 h
        attention    2 h (input) + 2 (q + 2 kv) + 2 q (output) + 1 h (dropout mask)
        feed-forward 2 h (input) + 2 f before and 2 f after the activation (gated: twice) + 1 h (mask)

    bytes per token, at 2 bytes an element. `keeps_scores` adds 5 a s for attention that materialises its
    scores; torch's fused attention, which transformers uses, does not.
    """
    wide = DTYPE_BYTES[dtype]
    query, key = spec.heads * spec.head_size, spec.kv_heads * spec.head_size
    per_token = wide * (2 * spec.hidden_size)  # norms
    per_token += wide * (spec.hidden_size + (query + 2 * key) + query) + spec.hidden_size
    per_token += wide * (spec.hidden_size + _feed_forward_elements(spec)) + spec.hidden_size
    if keeps_scores:
        per_token += (2 * wide + 1) * spec.heads * sequence_tokens
    return samples * sequence_tokens * per_token


def activation_bytes(
    spec: ModelSpec, *, sequence_tokens: int, samples: int, dtype: DType, recompute: bool
) -> int:
    """The peak: every layer's share, or with recomputation each layer's input and one layer whole; and the logits."""
    layer = layer_activation_bytes(
        spec, sequence_tokens=sequence_tokens, samples=samples, dtype=dtype
    )
    logits = samples * sequence_tokens * spec.vocab_size * LOGIT_BYTES if spec.generates else 0
    if not recompute:
        return spec.layers * layer + logits
    inputs = samples * sequence_tokens * spec.hidden_size * DTYPE_BYTES[dtype]
    # The layer that is computed again comes after the loss is done with the logits.
    return spec.layers * inputs + max(layer, logits)


def _feed_forward_elements(spec: ModelSpec) -> int:
    """Elements kept per token around the activation function."""
    width = spec.ffn_size
    if spec.experts is not None:
        width = spec.experts.per_token * spec.experts.ffn_size + spec.experts.shared_ffn_size
    return (4 if spec.gated_ffn else 2) * width
