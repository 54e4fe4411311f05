"""How many parameters a method trains, and how many bytes the model's own weights take beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.training import Method
from homecluster.planner.weights import parameter_count, stage_weight_bytes

_FUSED_ATTENTION: Final = ("GPT2LMHeadModel", "BloomForCausalLM", "FalconForCausalLM")
"""One matrix, which so gets one adapter."""
NF4_BITS_PER_WEIGHT: Final = 4.127
"""4 bits, and one scale per 64 weights that is itself stored in 8 bits (QLoRA, arXiv 2305.14314, section 3)."""


def trainable_parameters(spec: ModelSpec, method: Method, lora_rank: int) -> int:
    """All of them, or an adapter of `lora_rank` on every linear layer (PEFT's `all-linear`).

    An adapter of rank r on a matrix of n inputs and m outputs trains r (n + m) parameters; the output
    head and the embeddings get none.
    """
    if method is Method.FULL:
        return parameter_count(spec)
    return spec.layers * lora_rank * sum(n + m for n, m in layer_matrices(spec))


def adapter_parameters_met(spec: ModelSpec, lora_rank: int) -> int:
    """Of the adapters' parameters those that one token is multiplied with: only the routed experts'."""
    if spec.experts is not None:
        routed = replace(spec.experts, count=spec.experts.per_token)
        spec = replace(spec, experts=routed)
    return trainable_parameters(spec, Method.LORA, lora_rank)


def layer_matrices(spec: ModelSpec) -> list[tuple[int, int]]:
    """(inputs, outputs) of a layer's matrices as the published checkpoint names them; routers left out."""
    width, query = spec.hidden_size, spec.heads * spec.head_size
    key = spec.kv_heads * spec.head_size
    if has_fused_attention(spec):
        attention = [(width, query + 2 * key)]
    else:
        attention = [(width, query), (width, key), (width, key)]
    attention.append((query, width))
    if spec.experts is None:
        return attention + _feed_forward(spec, spec.ffn_size)
    shared = _feed_forward(spec, spec.experts.shared_ffn_size)
    return attention + shared + spec.experts.count * _feed_forward(spec, spec.experts.ffn_size)


def has_fused_attention(spec: ModelSpec) -> bool:
    """Query, key and value are one matrix of the published checkpoint."""
    return spec.architecture in _FUSED_ATTENTION


def held_weight_bytes(spec: ModelSpec, method: Method, dtype: DType) -> int:
    """The base model's weights in memory; QLoRA holds its matrices in 4 bits and the rest in `dtype`."""
    whole = stage_weight_bytes(
        spec, layers=spec.layers, first=True, last=True, tensor_parallel=1, dtype=dtype
    )
    if method is not Method.QLORA or spec.quantization is not None:
        return whole
    return whole - spec.layers * _saved_bytes_per_layer(spec, dtype)


def layer_bytes(spec: ModelSpec, method: Method, dtype: DType) -> int:
    """The largest part that ZeRO-3 gathers at once: a layer, or the output head where that is larger."""
    layer = sum(n * m for n, m in layer_matrices(spec)) * DTYPE_BYTES[dtype]
    if method is Method.QLORA and spec.quantization is None:
        layer -= _saved_bytes_per_layer(spec, dtype)
    head = spec.vocab_size * spec.hidden_size * DTYPE_BYTES[dtype]
    return max(layer, head)


def _saved_bytes_per_layer(spec: ModelSpec, dtype: DType) -> int:
    elements = sum(n * m for n, m in layer_matrices(spec))
    return elements * DTYPE_BYTES[dtype] - int(elements * NF4_BITS_PER_WEIGHT / 8)


def _feed_forward(spec: ModelSpec, ffn_size: int) -> list[tuple[int, int]]:
    if ffn_size == 0:
        return []
    widening = 2 if spec.gated_ffn else 1
    return [(spec.hidden_size, ffn_size)] * widening + [(ffn_size, spec.hidden_size)]
