"""How many numbers a layer and the two ends of a model have, on one rank as vLLM splits them.

How vLLM divides them among the `t` ranks of a tensor-parallel group (linear.py and
vocab_parallel_embedding.py of vLLM 0.32):
heads, feed-forward width and vocabulary are split; key and value heads are copied where there are more
ranks than such heads; the vocabulary is first padded to a multiple of 64; norms, routers, learned
positions and the bias after a row-split matrix are copied to every rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.domain.model import ModelSpec

VOCABULARY_PADDING: Final = 64
"""vLLM pads the vocabulary to a multiple of this before it splits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Matrices of one shape, which a quantised checkpoint stores in few bits."""

    inputs: int
    outputs: int
    copies: int = 1

    @property
    def elements(self) -> int:
        return self.copies * self.inputs * self.outputs


# --- one layer -----------------------------------------------------------------------------------------


def linears(spec: ModelSpec, ranks: int) -> tuple[Linear, ...]:
    """A layer's matrices on one of `ranks` tensor-parallel ranks."""
    if spec.experts is None:
        return (*_attention(spec, ranks), *feed_forward(spec, spec.ffn_size, ranks))
    shared = feed_forward(spec, spec.experts.shared_ffn_size, ranks)
    routed = feed_forward(spec, spec.experts.ffn_size, ranks, copies=spec.experts.count)
    return (*_attention(spec, ranks), *shared, *routed)


def _attention(spec: ModelSpec, ranks: int) -> tuple[Linear, ...]:
    width = spec.hidden_size
    query_size = share_of(spec.heads, ranks) * spec.head_size
    return (
        Linear(inputs=width, outputs=query_size + 2 * _kv_size(spec, ranks)),
        Linear(inputs=query_size, outputs=width),
    )


def _kv_size(spec: ModelSpec, ranks: int) -> int:
    return share_of(spec.kv_heads, ranks) * spec.head_size


def feed_forward(
    spec: ModelSpec, ffn_size: int, ranks: int, *, copies: int = 1
) -> tuple[Linear, ...]:
    if ffn_size == 0:
        return ()
    inner = share_of(ffn_size, ranks)
    widen = 2 * inner if spec.gated_ffn else inner
    return (
        Linear(inputs=spec.hidden_size, outputs=widen, copies=copies),
        Linear(inputs=inner, outputs=spec.hidden_size, copies=copies),
    )


def plain_elements(spec: ModelSpec, ranks: int) -> int:
    """A layer's norms, biases, router and gate: never quantised."""
    elements = spec.norms_per_layer * _norm_elements(spec, spec.hidden_size)
    if spec.qk_norm:
        elements += 2 * _norm_elements(spec, spec.head_size)
    if spec.qkv_bias:
        elements += share_of(spec.heads, ranks) * spec.head_size + 2 * _kv_size(spec, ranks)
    if spec.attention_output_bias:
        elements += spec.hidden_size
    if spec.ffn_bias:
        elements += share_of(spec.ffn_size, ranks) * (2 if spec.gated_ffn else 1) + spec.hidden_size
    if spec.experts is not None:
        elements += spec.hidden_size * (spec.experts.count + int(spec.experts.shared_gate))
    return elements


def _norm_elements(spec: ModelSpec, width: int) -> int:
    return width * (2 if spec.norm_bias else 1)


def dense_elements(spec: ModelSpec, ranks: int) -> int:
    """Matrix elements of a layer that every token passes."""
    everything = sum(matrix.elements for matrix in linears(spec, ranks))
    if spec.experts is None:
        return everything
    return everything - spec.experts.count * expert_elements(spec, ranks)


def expert_elements(spec: ModelSpec, ranks: int) -> int:
    """Matrix elements of one routed expert of a layer."""
    assert spec.experts is not None
    return sum(matrix.elements for matrix in feed_forward(spec, spec.experts.ffn_size, ranks))


# --- the two ends --------------------------------------------------------------------------------------


def end_elements(spec: ModelSpec, *, first: bool, last: bool, rows: int) -> int:
    """Elements outside the layers; `rows` of the vocabulary are held."""
    embedding_size = spec.embedding_size or spec.hidden_size
    projection = 0 if spec.embedding_size is None else spec.embedding_size * spec.hidden_size
    elements = 0
    if first:
        elements += rows * embedding_size + projection
        elements += (spec.position_rows + spec.token_type_rows) * spec.hidden_size
        elements += _norm_elements(spec, spec.hidden_size) if spec.embedding_norm else 0
    if last:
        elements += _norm_elements(spec, spec.hidden_size) if spec.final_norm else 0
        elements += projection
        elements += spec.hidden_size * (spec.hidden_size + 1) if spec.pooler else 0
    if last and spec.generates:
        elements += 0 if spec.tied_embeddings and first else rows * embedding_size
        elements += rows if spec.lm_head_bias else 0
    return elements


def vocabulary_rows(spec: ModelSpec, ranks: int) -> int:
    """Rows of the embedding, and of the output head, that one rank holds."""
    return share_of(padded_rows(spec.vocab_size), ranks)


def padded_rows(rows: int) -> int:
    """Rows of a table that vLLM splits by rows, such as the vocabulary's."""
    return -(-rows // VOCABULARY_PADDING) * VOCABULARY_PADDING


def share_of(count: int, ranks: int) -> int:
    """The largest part of `count` on one rank: at least one, rounded up where it does not divide."""
    return -(-count // ranks)
