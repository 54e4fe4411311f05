"""How many tensors of a model are so small that ZeRO-3 keeps them whole, and gathers each anew after the optimiser."""

from __future__ import annotations

from homecluster.domain.model import ModelSpec
from homecluster.domain.training import WHOLE_ELEMENTS, Method
from homecluster.planner.training.adapters import has_fused_attention, layer_matrices


def small_tensors(spec: ModelSpec, method: Method, lora_rank: int) -> int:
    """Norms and biases, and matrices and adapters of at most `WHOLE_ELEMENTS`; frozen ones are gathered, too."""
    matrices = layer_matrices(spec)
    layer = _norms_and_biases(spec) + sum(n * m <= WHOLE_ELEMENTS for n, m in matrices)
    if method is not Method.FULL:
        layer += sum(lora_rank * width <= WHOLE_ELEMENTS for pair in matrices for width in pair)
    positions = spec.position_rows * spec.hidden_size
    ends = (_norm(spec) if spec.final_norm else 0) + int(0 < positions <= WHOLE_ELEMENTS)
    return spec.layers * layer + ends


def _norms_and_biases(spec: ModelSpec) -> int:
    return (
        (spec.norms_per_layer + (2 if spec.qk_norm else 0)) * _norm(spec)
        + ((1 if has_fused_attention(spec) else 3) if spec.qkv_bias else 0)
        + int(spec.attention_output_bias)
        + ((3 if spec.gated_ffn else 2) if spec.ffn_bias else 0)
    )


def _norm(spec: ModelSpec) -> int:
    return 2 if spec.norm_bias else 1
