"""What each family of models means by the keys of its config.json, with the defaults transformers gives them.

Defaults are those of transformers 5.19 (`models/FAMILY/configuration_FAMILY.py`); which family keeps its
ends on every pipeline stage, and what it hands to the next one, is read from vLLM 0.32 (`model_executor/models`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from homecluster.domain.hardware import DType
from homecluster.domain.model import Experts, ModelSpec
from homecluster.errors import InputError
from homecluster.store.config_fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What does not depend on the family."""

    name: str
    architecture: str
    dtype: DType


Family = Callable[[Fields, Identity], ModelSpec]


def _llama(config: Fields, identity: Identity) -> ModelSpec:
    """Llama 1-3, Mistral and whatever else borrowed the shape; the base of most families below."""
    hidden_size = config.size("hidden_size")
    heads = config.size("num_attention_heads")
    attention_bias = config.flag("attention_bias", default=False)
    return ModelSpec(
        name=identity.name,
        architecture=identity.architecture,
        dtype=identity.dtype,
        layers=config.size("num_hidden_layers"),
        hidden_size=hidden_size,
        ffn_size=config.size("intermediate_size"),
        heads=heads,
        kv_heads=_kv_heads(config, heads, default=heads),
        head_size=_head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size"),
        max_positions=config.size("max_position_embeddings", default=2048),
        gated_ffn=True,
        tied_embeddings=config.flag("tie_word_embeddings", default=False),
        qkv_bias=attention_bias,
        attention_output_bias=attention_bias,
        ffn_bias=config.flag("mlp_bias", default=False),
    )


def _mistral(config: Fields, identity: Identity) -> ModelSpec:
    spec = _llama(config, identity)
    return replace(
        spec,
        kv_heads=_kv_heads(config, spec.heads, default=8),
        max_positions=config.size("max_position_embeddings", default=131072),
        sliding_window_tokens=config.optional_size("sliding_window"),
    )


def _qwen2(config: Fields, identity: Identity) -> ModelSpec:
    """Biased queries, keys and values; its sliding window spans some layers only, and only if switched on."""
    spec = _llama(config, identity)
    return replace(
        spec,
        kv_heads=_kv_heads(config, spec.heads, default=min(32, spec.heads)),
        max_positions=config.size("max_position_embeddings", default=32768),
        qkv_bias=config.flag("qkv_bias", default=True),
    )


def _qwen3(config: Fields, identity: Identity) -> ModelSpec:
    spec = _llama(config, identity)
    return replace(
        spec,
        kv_heads=_kv_heads(config, spec.heads, default=min(32, spec.heads)),
        head_size=config.size("head_dim", default=128),
        max_positions=config.size("max_position_embeddings", default=32768),
        qk_norm=True,
    )


def _qwen2_moe(config: Fields, identity: Identity) -> ModelSpec:
    _refuse_mixed_layers(config)
    spec = _qwen2(config, identity)
    experts = Experts(
        count=config.size("num_experts", default=60),
        per_token=_experts_per_token(config, 60, default=4),
        ffn_size=config.size("moe_intermediate_size", default=1408),
        shared_ffn_size=config.size("shared_expert_intermediate_size", default=5632, low=0),
        shared_gate=True,
    )
    return replace(spec, experts=experts, ends_on_every_stage=True)


def _qwen3_moe(config: Fields, identity: Identity) -> ModelSpec:
    _refuse_mixed_layers(config)
    spec = _llama(config, identity)
    experts = Experts(
        count=config.size("num_experts", "num_local_experts", default=128),
        per_token=_experts_per_token(config, 128, default=8),
        ffn_size=config.size("moe_intermediate_size", default=768),
    )
    return replace(
        spec,
        kv_heads=_kv_heads(config, spec.heads, default=4),
        max_positions=config.size("max_position_embeddings", default=32768),
        qk_norm=True,
        experts=experts,
        ends_on_every_stage=True,
    )


def _mixtral(config: Fields, identity: Identity) -> ModelSpec:
    spec = _mistral(config, identity)
    experts = Experts(
        count=config.size("num_local_experts", default=8),
        per_token=_experts_per_token(config, 8, default=2),
        ffn_size=spec.ffn_size,
    )
    return replace(spec, experts=experts, ends_on_every_stage=True)


def _gemma(config: Fields, identity: Identity) -> ModelSpec:
    spec = _llama(config, identity)
    return replace(
        spec,
        kv_heads=_kv_heads(config, spec.heads, default=spec.heads),
        head_size=config.size("head_dim", default=256),
        max_positions=config.size("max_position_embeddings", default=8192),
        tied_embeddings=config.flag("tie_word_embeddings", default=True),
        ends_on_every_stage=True,
    )


def _gemma2(config: Fields, identity: Identity) -> ModelSpec:
    """Norms before and after both blocks; every second layer has a sliding window."""
    spec = _gemma(config, identity)
    return replace(spec, kv_heads=_kv_heads(config, spec.heads, default=4), norms_per_layer=4)


def _gemma3(config: Fields, identity: Identity) -> ModelSpec:
    spec = _gemma2(config, identity)
    return replace(
        spec, max_positions=config.size("max_position_embeddings", default=131072), qk_norm=True
    )


def _phi(config: Fields, identity: Identity) -> ModelSpec:
    """Phi-1, 1.5 and 2: attention and feed-forward side by side behind one norm, a bias everywhere.

    vLLM runs it through transformers' own modules, which hand over one tensor.
    """
    spec = _llama(config, identity)
    return replace(
        spec,
        gated_ffn=False,
        qkv_bias=True,
        attention_output_bias=True,
        ffn_bias=True,
        norm_bias=True,
        norms_per_layer=1,
        qk_norm=config.flag("qk_layernorm", default=False),
        lm_head_bias=True,
        residual_in_handover=False,
    )


def _phi3(config: Fields, identity: Identity) -> ModelSpec:
    """Llama's shape with fused matrices."""
    spec = _llama(config, identity)
    window = config.optional_size("sliding_window")
    return replace(
        spec,
        max_positions=config.size("max_position_embeddings", default=4096),
        sliding_window_tokens=window,
    )


def _gpt2(config: Fields, identity: Identity) -> ModelSpec:
    hidden_size = config.size("n_embd", "hidden_size", default=768)
    heads = config.size("n_head", "num_attention_heads", default=12)
    positions = config.size("n_positions", "max_position_embeddings", "n_ctx", default=1024)
    return ModelSpec(
        name=identity.name,
        architecture=identity.architecture,
        dtype=identity.dtype,
        layers=config.size("n_layer", "num_hidden_layers", default=12),
        hidden_size=hidden_size,
        ffn_size=config.size("n_inner", default=4 * hidden_size),
        heads=heads,
        kv_heads=heads,
        head_size=_even_head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size", default=50257),
        max_positions=positions,
        position_rows=positions,
        gated_ffn=False,
        tied_embeddings=config.flag("tie_word_embeddings", default=True),
        qkv_bias=True,
        attention_output_bias=True,
        ffn_bias=True,
        norm_bias=True,
        residual_in_handover=False,
        ends_on_every_stage=True,
    )


_OPT_POSITION_OFFSET: Final = 2
"""OPT's first two position rows are never used for a token, but they are there."""


def _opt(config: Fields, identity: Identity) -> ModelSpec:
    hidden_size = config.size("hidden_size", default=768)
    heads = config.size("num_attention_heads", default=12)
    positions = config.size("max_position_embeddings", default=2048)
    bias = config.flag("enable_bias", default=True)
    embedding_size = config.size("word_embed_proj_dim", default=hidden_size)
    norm_first = config.flag("do_layer_norm_before", default=True)
    if not config.flag("layer_norm_elementwise_affine", default=True):
        raise InputError(f"{config.where}: OPT without learned norms is not supported")
    return ModelSpec(
        name=identity.name,
        architecture=identity.architecture,
        dtype=identity.dtype,
        layers=config.size("num_hidden_layers", default=12),
        hidden_size=hidden_size,
        ffn_size=config.size("ffn_dim", default=3072),
        heads=heads,
        kv_heads=heads,
        head_size=_even_head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size", default=50272),
        max_positions=positions,
        position_rows=positions + _OPT_POSITION_OFFSET,
        embedding_size=None if embedding_size == hidden_size else embedding_size,
        gated_ffn=False,
        tied_embeddings=config.flag("tie_word_embeddings", default=True),
        qkv_bias=bias,
        attention_output_bias=bias,
        ffn_bias=bias,
        norm_bias=True,
        final_norm=norm_first and not config.flag("_remove_final_layer_norm", default=False),
        residual_in_handover=False,
        ends_on_every_stage=True,
    )


def _bloom(config: Fields, identity: Identity) -> ModelSpec:
    """ALiBi: no learned positions, so no hard limit; the training length stands for one."""
    hidden_size = config.size("hidden_size", "n_embed", default=64)
    heads = config.size("n_head", "num_attention_heads", default=8)
    return ModelSpec(
        name=identity.name,
        architecture=identity.architecture,
        dtype=identity.dtype,
        layers=config.size("n_layer", "num_hidden_layers", default=2),
        hidden_size=hidden_size,
        ffn_size=4 * hidden_size,
        heads=heads,
        kv_heads=heads,
        head_size=_even_head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size", default=250880),
        max_positions=config.size("seq_length", default=2048),
        gated_ffn=False,
        tied_embeddings=config.flag("tie_word_embeddings", default=True),
        qkv_bias=True,
        attention_output_bias=True,
        ffn_bias=True,
        norm_bias=True,
        embedding_norm=True,
        residual_in_handover=False,
        ends_on_every_stage=True,
    )


def _gpt_neox(config: Fields, identity: Identity) -> ModelSpec:
    """Pythia and GPT-NeoX; through transformers' own modules in vLLM."""
    spec = _llama(config, identity)
    bias = config.flag("attention_bias", default=True)
    return replace(
        spec,
        gated_ffn=False,
        qkv_bias=bias,
        attention_output_bias=bias,
        ffn_bias=True,
        norm_bias=True,
        residual_in_handover=False,
    )


def _bert(config: Fields, identity: Identity) -> ModelSpec:
    """The encoder with its pooler, as BertModel counts it; the heads for its training tasks are left out."""
    hidden_size = config.size("hidden_size", default=768)
    heads = config.size("num_attention_heads", default=12)
    positions = config.size("max_position_embeddings", default=512)
    return ModelSpec(
        name=identity.name,
        architecture=identity.architecture,
        dtype=identity.dtype,
        layers=config.size("num_hidden_layers", default=12),
        hidden_size=hidden_size,
        ffn_size=config.size("intermediate_size", default=3072),
        heads=heads,
        kv_heads=heads,
        head_size=_even_head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size", default=30522),
        max_positions=positions,
        position_rows=positions,
        token_type_rows=config.size("type_vocab_size", default=2),
        gated_ffn=False,
        tied_embeddings=True,
        qkv_bias=True,
        attention_output_bias=True,
        ffn_bias=True,
        norm_bias=True,
        final_norm=False,
        embedding_norm=True,
        pooler=True,
        residual_in_handover=False,
        generates=False,
        supports_pipeline=False,
    )


FAMILIES: Final[Mapping[str, Family]] = {
    "GPT2LMHeadModel": _gpt2,
    "OPTForCausalLM": _opt,
    "LlamaForCausalLM": _llama,
    "MistralForCausalLM": _mistral,
    "Qwen2ForCausalLM": _qwen2,
    "Qwen3ForCausalLM": _qwen3,
    "GemmaForCausalLM": _gemma,
    "Gemma2ForCausalLM": _gemma2,
    "Gemma3ForCausalLM": _gemma3,
    "PhiForCausalLM": _phi,
    "Phi3ForCausalLM": _phi3,
    "MixtralForCausalLM": _mixtral,
    "Qwen2MoeForCausalLM": _qwen2_moe,
    "Qwen3MoeForCausalLM": _qwen3_moe,
    "BloomForCausalLM": _bloom,
    "GPTNeoXForCausalLM": _gpt_neox,
    "BertModel": _bert,
    "BertForMaskedLM": _bert,
}
"""Hugging Face class -> how to read its config."""

MODEL_TYPES: Final[Mapping[str, str]] = {
    "GPT2LMHeadModel": "gpt2",
    "OPTForCausalLM": "opt",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "PhiForCausalLM": "phi",
    "Phi3ForCausalLM": "phi3",
    "MixtralForCausalLM": "mixtral",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "BloomForCausalLM": "bloom",
    "GPTNeoXForCausalLM": "gpt_neox",
    "BertForMaskedLM": "bert",
    "BertModel": "bert",
}
"""Hugging Face class -> model_type of its config.json."""

ARCHITECTURE_OF_TYPE: Final[Mapping[str, str]] = {
    model_type: architecture for architecture, model_type in MODEL_TYPES.items()
}
"""model_type -> class, for a config.json that names no architecture."""


def _kv_heads(config: Fields, heads: int, *, default: int) -> int:
    kv_heads = config.size("num_key_value_heads", default=default)
    if heads % kv_heads:
        raise InputError(
            f"{config.where}: num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}"
        )
    return kv_heads


def _head_size(config: Fields, hidden_size: int, heads: int) -> int:
    given = config.optional_size("head_dim")
    return _even_head_size(config, hidden_size, heads) if given is None else given


def _even_head_size(config: Fields, hidden_size: int, heads: int) -> int:
    if hidden_size % heads:
        raise InputError(
            f"{config.where}: the hidden size {hidden_size} is not a multiple of the {heads} attention heads"
        )
    return hidden_size // heads


def _experts_per_token(config: Fields, default_count: int, *, default: int) -> int:
    count = config.size("num_experts", "num_local_experts", default=default_count)
    per_token = config.size("num_experts_per_tok", default=default)
    if per_token > count:
        raise InputError(
            f"{config.where}: num_experts_per_tok {per_token} is more than the {count} experts"
        )
    return per_token


def _refuse_mixed_layers(config: Fields) -> None:
    """A plan splits layers as if they were alike; some models keep a few layers without experts."""
    if config.sequence("mlp_only_layers") or config.size("decoder_sparse_step", default=1) != 1:
        raise InputError(
            f"{config.where}: layers with and without experts in one model are not supported yet"
        )
