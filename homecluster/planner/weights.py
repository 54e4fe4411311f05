"""How many parameters a model has, and how many bytes of them one device holds and reads under vLLM.

Everything is derived from one description of a layer and of the model's two ends (`planner.elements`), so
that the published parameter total checks the bytes as well.
"""

from __future__ import annotations

from functools import lru_cache

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.model import ModelSpec, Quantization
from homecluster.planner.elements import (
    Linear,
    dense_elements,
    end_elements,
    expert_elements,
    feed_forward,
    linears,
    padded_rows,
    plain_elements,
    share_of,
    vocabulary_rows,
)


def parameter_count(spec: ModelSpec) -> int:
    """All parameters, a tied embedding once; of a quantised checkpoint, those it stands for."""
    layer = sum(matrix.elements for matrix in linears(spec, 1)) + plain_elements(spec, 1)
    return spec.layers * layer + end_elements(spec, first=True, last=True, rows=spec.vocab_size)


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def active_parameters(spec: ModelSpec) -> int:
    """Parameters that one token is multiplied with: 2 FLOP each in a forward pass.

    Counts the output head (also where it is tied) and the routed experts only; leaves out the embedding
    tables, where a token only picks a row.
    """
    layer = dense_elements(spec, 1) + plain_elements(spec, 1)
    if spec.experts is not None:
        layer += spec.experts.per_token * expert_elements(spec, 1)
    return spec.layers * layer + end_elements(spec, first=False, last=True, rows=spec.vocab_size)


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
    ends = end_elements(spec, first=first, last=last, rows=vocabulary_rows(spec, tensor_parallel))
    ends += _encoder_padding(spec, first=first, tensor_parallel=tensor_parallel)
    return (
        layers * layer_weight_bytes(spec, tensor_parallel=tensor_parallel, dtype=dtype)
        + ends * DTYPE_BYTES[dtype]
    )


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def layer_weight_bytes(spec: ModelSpec, *, tensor_parallel: int, dtype: DType) -> int:
    """Bytes that one rank holds of each layer."""
    matrices = sum(
        _linear_bytes(m, spec.quantization, dtype) for m in linears(spec, tensor_parallel)
    )
    return matrices + plain_elements(spec, tensor_parallel) * DTYPE_BYTES[dtype]


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
        rows = vocabulary_rows(spec, tensor_parallel)
        elements += end_elements(spec, first=False, last=True, rows=rows)
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


@lru_cache(maxsize=256)  # asked of every stage of every candidate
def _expert_bytes(spec: ModelSpec, ranks: int, dtype: DType) -> int:
    """Bytes of all routed experts of one layer on one rank."""
    assert spec.experts is not None
    matrices = feed_forward(spec, spec.experts.ffn_size, ranks, copies=spec.experts.count)
    return sum(_linear_bytes(matrix, spec.quantization, dtype) for matrix in matrices)


def _linear_bytes(matrix: Linear, quantization: Quantization | None, dtype: DType) -> int:
    if quantization is None:
        return matrix.elements * DTYPE_BYTES[dtype]
    group = quantization.group_size or matrix.inputs
    side_bits = quantization.scale_bits + quantization.zero_point_bits
    return -(-matrix.elements * quantization.weight_bits // 8) + -(
        -matrix.elements * side_bits // (8 * group)
    )


def _encoder_padding(spec: ModelSpec, *, first: bool, tensor_parallel: int) -> int:
    """What vLLM's BERT holds beyond plain tables: it pads and splits positions and token types like words."""
    if spec.generates or not first:
        return 0
    return sum(
        (share_of(padded_rows(rows), tensor_parallel) - rows) * spec.hidden_size
        for rows in (spec.position_rows, spec.token_type_rows)
        if rows
    )
