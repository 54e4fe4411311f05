"""What the planner must know of a model: shapes, never weights."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import DType


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How a checkpoint's linear layers are stored; embeddings and norms keep the checkpoint dtype."""

    method: str
    """awq, gptq, fp8, compressed-tensors, bitsandbytes …"""
    weight_bits: int
    group_size: int | None
    """Weights that share one scale (and one zero point); None: one scale per output row."""
    scale_bits: int = 16
    zero_point_bits: int = 0
    """0: symmetric, no zero points stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """A mixture-of-experts feed-forward block."""

    count: int
    per_token: int
    ffn_size: int
    """Width of one expert."""
    shared_ffn_size: int = 0
    """Feed-forward width that every token passes besides its experts; 0: none."""
    shared_gate: bool = False
    """One learned weight per hidden channel scales the shared block (Qwen MoE)."""

    def __post_init__(self) -> None:
        assert 0 < self.per_token <= self.count
        assert self.ffn_size > 0
        assert self.shared_ffn_size >= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A decoder (or BERT-like encoder) in the field's standard terms.

    Counts are exact: `planner.weights.parameter_count` reproduces the published totals from them.
    """

    name: str
    architecture: str
    """Hugging Face class, e.g. `LlamaForCausalLM`."""
    layers: int
    hidden_size: int
    ffn_size: int
    """Width of the dense feed-forward block; unused where `experts` is given."""
    heads: int
    kv_heads: int
    head_size: int
    vocab_size: int
    max_positions: int
    dtype: DType
    """Of the checkpoint."""
    gated_ffn: bool
    """Three matrices (gate, up, down) instead of two."""
    tied_embeddings: bool
    position_rows: int = 0
    """Rows of a learned position embedding; 0 for rotary or ALiBi."""
    token_type_rows: int = 0
    embedding_size: int | None = None
    """Width of the token embedding where it is not `hidden_size` (OPT-350m)."""
    qkv_bias: bool = False
    attention_output_bias: bool = False
    ffn_bias: bool = False
    lm_head_bias: bool = False
    norm_bias: bool = False
    norms_per_layer: int = 2
    qk_norm: bool = False
    """A norm of `head_size` on queries and one on keys."""
    final_norm: bool = True
    embedding_norm: bool = False
    pooler: bool = False
    sliding_window_tokens: int | None = None
    """Every layer attends to at most this many tokens; None where any layer attends to all (Gemma 2)."""
    experts: Experts | None = None
    quantization: Quantization | None = None
    residual_in_handover: bool = True
    """vLLM hands hidden states and residual to the next pipeline stage (Llama family); GPT-2 only hidden states."""
    generates: bool = True
    """False for encoders such as BERT, which produce no tokens."""
    supports_pipeline: bool = True
    """vLLM implements SupportsPP for this architecture."""
    ends_on_every_stage: bool = False
    """vLLM allocates embeddings, final norm and output head on every pipeline stage, not only on the two
    that use them: GPT-2, OPT, BLOOM, Gemma and the mixture-of-experts families, unlike Llama and Qwen."""

    def __post_init__(self) -> None:
        assert self.heads % self.kv_heads == 0
        assert (
            min(
                self.layers,
                self.hidden_size,
                self.heads,
                self.kv_heads,
                self.head_size,
                self.vocab_size,
            )
            > 0
        )
