"""How many parameters a model has, and how many bytes of them one device holds and reads under vLLM.

Everything is derived from one description of a layer and of the model's two ends, so that the published
parameter total checks the bytes as well. How vLLM divides them among the `t` ranks of a tensor-parallel
group (linear.py and vocab_parallel_embedding.py of vLLM 0.32):
heads, feed-forward width and vocabulary are split; key and value heads are copied where there are more
ranks than such heads; the vocabulary is first padded to a multiple of 64; norms, routers, learned
positions and the bias after a row-split matrix are copied to every rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.model import ModelSpec, Quantization

VOCABULARY_PADDING: Final = 64
"""vLLM pads the vocabulary to a multiple of this before it splits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Linear:
    """Matrices of one shape, which a quantised checkpoint stores in few bits."""

    inputs: int
    outputs: int
    copies: int = 1

    @property
    def elements(self) -> int:
        return self.copies * self.inputs * self.outputs


def parameter_count(spec: ModelSpec) -> int:
    """All parameters, a tied embedding once; of a quantised checkpoint, those it stands for."""
    layer = sum(matrix.elements for matrix in _linears(spec, 1)) + _plain_elements(spec, 1)
    return spec.layers * layer + _end_elements(spec, first=True, last=True, rows=spec.vocab_size)


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def active_parameters(spec: ModelSpec) -> int:
    """Parameters that one token is multiplied with: 2 FLOP each in a forward pass.

    Counts the output head (also where it is tied) and the routed experts only; leaves out the embedding
    tables, where a token only picks a row.
    """
    layer = _dense_elements(spec, 1) + _plain_elements(spec, 1)
    if spec.experts is not None:
        layer += spec.experts.per_token * _expert_elements(spec, 1)
    return spec.layers * layer + _end_elements(spec, first=False, last=True, rows=spec.vocab_size)


def stage_weight_bytes(
    spec: ModelSpec, *, layers: int, first: bool, last: bool, tensor_parallel: int, dtype: DType
) -> int:
    """Bytes that ONE rank of a pipeline stage of `layers` layers holds.

    The first stage holds the embeddings and the last the final norm and output head; with tied embeddings
    the last stage holds a copy, and a single stage holds one. Families with `ends_on_every_stage` hold all
    of that on each stage. `dtype` is what the engine runs in: everything that is not quantised is held in it.
    """
    if spec.ends_on_every_stage:
        first = last = True
    ends = _end_elements(spec, first=first, last=last, rows=_vocabulary_rows(spec, tensor_parallel))
    ends += _encoder_padding(spec, first=first, tensor_parallel=tensor_parallel)
    return (
        layers * layer_weight_bytes(spec, tensor_parallel=tensor_parallel, dtype=dtype)
        + ends * DTYPE_BYTES[dtype]
    )


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def layer_weight_bytes(spec: ModelSpec, *, tensor_parallel: int, dtype: DType) -> int:
    """Bytes that one rank holds of each layer."""
    matrices = sum(
        _linear_bytes(m, spec.quantization, dtype) for m in _linears(spec, tensor_parallel)
    )
    return matrices + _plain_elements(spec, tensor_parallel) * DTYPE_BYTES[dtype]


def decode_read_bytes(
    spec: ModelSpec,
    *,
    layers: int,
    first: bool,
    last: bool,
    tensor_parallel: int,
    dtype: DType,
    sequences: float,
) -> float:
    """Bytes of weights that one rank reads in a decode step of `sequences` sequences (one token each).

    Of the embedding tables only the sequences' rows, the output head whole, of the experts those that at
    least one token was sent to.
    """
    layer = float(layer_weight_bytes(spec, tensor_parallel=tensor_parallel, dtype=dtype))
    if spec.experts is not None:
        experts = _expert_bytes(spec, tensor_parallel, dtype)
        layer -= experts * (1 - expected_experts(spec, sequences) / spec.experts.count)
    elements = 0.0
    if first:
        tables = 1 + (spec.position_rows > 0) + (spec.token_type_rows > 0)
        elements += sequences * tables * spec.hidden_size
    if last:
        rows = _vocabulary_rows(spec, tensor_parallel)
        elements += _end_elements(spec, first=False, last=True, rows=rows)
    return layers * layer + elements * DTYPE_BYTES[dtype]


def expected_experts(spec: ModelSpec, tokens: float) -> float:
    """Distinct experts of one layer that `tokens` tokens touch, on average.

    E experts, k per token, B tokens, routing taken as uniform and independent between tokens: one token
    leaves a given expert alone with probability 1 - k/E, so B tokens touch

        E * (1 - (1 - k/E)^B)

    of them (the occupancy problem). Real routers are less even, so this is an upper estimate.
    """
    assert spec.experts is not None
    total, chosen = spec.experts.count, spec.experts.per_token
    return float(total * (1 - (1 - chosen / total) ** tokens))


# --- one layer -----------------------------------------------------------------------------------------


def _linears(spec: ModelSpec, ranks: int) -> tuple[_Linear, ...]:
    """A layer's matrices on one of `ranks` tensor-parallel ranks."""
    if spec.experts is None:
        return (*_attention(spec, ranks), *_feed_forward(spec, spec.ffn_size, ranks))
    shared = _feed_forward(spec, spec.experts.shared_ffn_size, ranks)
    routed = _feed_forward(spec, spec.experts.ffn_size, ranks, copies=spec.experts.count)
    return (*_attention(spec, ranks), *shared, *routed)


def _attention(spec: ModelSpec, ranks: int) -> tuple[_Linear, ...]:
    width = spec.hidden_size
    query_size = _share(spec.heads, ranks) * spec.head_size
    return (
        _Linear(inputs=width, outputs=query_size + 2 * _kv_size(spec, ranks)),
        _Linear(inputs=query_size, outputs=width),
    )


def _kv_size(spec: ModelSpec, ranks: int) -> int:
    return _share(spec.kv_heads, ranks) * spec.head_size


def _feed_forward(
    spec: ModelSpec, ffn_size: int, ranks: int, *, copies: int = 1
) -> tuple[_Linear, ...]:
    if ffn_size == 0:
        return ()
    inner = _share(ffn_size, ranks)
    widen = 2 * inner if spec.gated_ffn else inner
    return (
        _Linear(inputs=spec.hidden_size, outputs=widen, copies=copies),
        _Linear(inputs=inner, outputs=spec.hidden_size, copies=copies),
    )


def _plain_elements(spec: ModelSpec, ranks: int) -> int:
    """A layer's norms, biases, router and gate: never quantised."""
    elements = spec.norms_per_layer * _norm_elements(spec, spec.hidden_size)
    if spec.qk_norm:
        elements += 2 * _norm_elements(spec, spec.head_size)
    if spec.qkv_bias:
        elements += _share(spec.heads, ranks) * spec.head_size + 2 * _kv_size(spec, ranks)
    if spec.attention_output_bias:
        elements += spec.hidden_size
    if spec.ffn_bias:
        elements += _share(spec.ffn_size, ranks) * (2 if spec.gated_ffn else 1) + spec.hidden_size
    if spec.experts is not None:
        elements += spec.hidden_size * (spec.experts.count + int(spec.experts.shared_gate))
    return elements


def _norm_elements(spec: ModelSpec, width: int) -> int:
    return width * (2 if spec.norm_bias else 1)


def _dense_elements(spec: ModelSpec, ranks: int) -> int:
    """Matrix elements of a layer that every token passes."""
    everything = sum(matrix.elements for matrix in _linears(spec, ranks))
    if spec.experts is None:
        return everything
    return everything - spec.experts.count * _expert_elements(spec, ranks)


def _expert_elements(spec: ModelSpec, ranks: int) -> int:
    assert spec.experts is not None
    return sum(matrix.elements for matrix in _feed_forward(spec, spec.experts.ffn_size, ranks))


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def _expert_bytes(spec: ModelSpec, ranks: int, dtype: DType) -> int:
    """Bytes of all routed experts of one layer on one rank."""
    assert spec.experts is not None
    matrices = _feed_forward(spec, spec.experts.ffn_size, ranks, copies=spec.experts.count)
    return sum(_linear_bytes(matrix, spec.quantization, dtype) for matrix in matrices)


def _linear_bytes(matrix: _Linear, quantization: Quantization | None, dtype: DType) -> int:
    if quantization is None:
        return matrix.elements * DTYPE_BYTES[dtype]
    group = quantization.group_size or matrix.inputs
    side_bits = quantization.scale_bits + quantization.zero_point_bits
    return -(-matrix.elements * quantization.weight_bits // 8) + -(
        -matrix.elements * side_bits // (8 * group)
    )


# --- the two ends --------------------------------------------------------------------------------------


def _end_elements(spec: ModelSpec, *, first: bool, last: bool, rows: int) -> int:
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


def _vocabulary_rows(spec: ModelSpec, ranks: int) -> int:
    return _share(_padded(spec.vocab_size), ranks)


def _encoder_padding(spec: ModelSpec, *, first: bool, tensor_parallel: int) -> int:
    """What vLLM's BERT holds beyond plain tables: it pads and splits positions and token types like words."""
    if spec.generates or not first:
        return 0
    return sum(
        (_share(_padded(rows), tensor_parallel) - rows) * spec.hidden_size
        for rows in (spec.position_rows, spec.token_type_rows)
        if rows
    )


def _padded(rows: int) -> int:
    return -(-rows // VOCABULARY_PADDING) * VOCABULARY_PADDING


def _share(count: int, ranks: int) -> int:
    """The largest part of `count` on one rank: at least one, rounded up where it does not divide."""
    return -(-count // ranks)
