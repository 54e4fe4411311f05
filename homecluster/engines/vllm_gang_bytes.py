"""How many bytes vLLM's ranks send each other over the link, counted from the message list of its layers."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.model import ModelSpec

VOCABULARY_PADDING = 64
"""vLLM pads the vocabulary to a multiple of this before it cuts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passes through the engine while it is measured."""

    input_tokens: int
    output_tokens: int
    dtype_bytes: int


def planned_bytes(spec: ModelSpec, *, tensor_parallel: int, stages: int, traffic: Traffic) -> int:
    """Payload over all links together, both directions; frames and acknowledgements add about 7 %.

    Every token passes through the model once but the last of each answer, which counts little.
    Tensor parallel over t PCs: 2 L + 1 all-reduces of the hidden state, each 2 (t-1) times over the
    wire in all, and t-1 shares of the logits for each sampled token. Pipeline: the hidden state, for
    most families with the residual, at each boundary.
    """
    tokens = traffic.input_tokens + traffic.output_tokens
    hidden = spec.hidden_size * traffic.dtype_bytes
    if stages > 1:
        vectors = 2 if spec.residual_in_handover else 1
        return tokens * (stages - 1) * vectors * hidden
    padded = -(-spec.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    others = tensor_parallel - 1
    reduced = tokens * (2 * spec.layers + 1) * 2 * others * hidden
    gathered = traffic.output_tokens * others * padded // tensor_parallel * traffic.dtype_bytes
    return reduced + gathered
