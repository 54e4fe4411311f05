"""Llama's shape and whatever borrowed it: the same keys in config.json, other defaults, a norm or a bias more."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.model import ModelSpec
from homecluster.store.config_fields import Fields
from homecluster.store.config_heads import head_size, kv_heads
from homecluster.store.model_identity import Identity


def llama(config: Fields, identity: Identity) -> ModelSpec:
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
        kv_heads=kv_heads(config, heads, default=heads),
        head_size=head_size(config, hidden_size, heads),
        vocab_size=config.size("vocab_size"),
        max_positions=config.size("max_position_embeddings", default=2048),
        gated_ffn=True,
        tied_embeddings=config.flag("tie_word_embeddings", default=False),
        qkv_bias=attention_bias,
        attention_output_bias=attention_bias,
        ffn_bias=config.flag("mlp_bias", default=False),
    )


def mistral(config: Fields, identity: Identity) -> ModelSpec:
    spec = llama(config, identity)
    return replace(
        spec,
        kv_heads=kv_heads(config, spec.heads, default=8),
        max_positions=config.size("max_position_embeddings", default=131072),
        sliding_window_tokens=config.optional_size("sliding_window"),
    )


def qwen2(config: Fields, identity: Identity) -> ModelSpec:
    """Biased queries, keys and values; its sliding window spans some layers only, and only if switched on."""
    spec = llama(config, identity)
    return replace(
        spec,
        kv_heads=kv_heads(config, spec.heads, default=min(32, spec.heads)),
        max_positions=config.size("max_position_embeddings", default=32768),
        qkv_bias=config.flag("qkv_bias", default=True),
    )


def qwen3(config: Fields, identity: Identity) -> ModelSpec:
    spec = llama(config, identity)
    return replace(
        spec,
        kv_heads=kv_heads(config, spec.heads, default=min(32, spec.heads)),
        head_size=config.size("head_dim", default=128),
        max_positions=config.size("max_position_embeddings", default=32768),
        qk_norm=True,
    )


def gemma(config: Fields, identity: Identity) -> ModelSpec:
    spec = llama(config, identity)
    return replace(
        spec,
        kv_heads=kv_heads(config, spec.heads, default=spec.heads),
        head_size=config.size("head_dim", default=256),
        max_positions=config.size("max_position_embeddings", default=8192),
        tied_embeddings=config.flag("tie_word_embeddings", default=True),
        ends_on_every_stage=True,
    )


def gemma2(config: Fields, identity: Identity) -> ModelSpec:
    """Norms before and after both blocks; every second layer has a sliding window."""
    spec = gemma(config, identity)
    return replace(spec, kv_heads=kv_heads(config, spec.heads, default=4), norms_per_layer=4)


def gemma3(config: Fields, identity: Identity) -> ModelSpec:
    spec = gemma2(config, identity)
    return replace(
        spec, max_positions=config.size("max_position_embeddings", default=131072), qk_norm=True
    )


def phi(config: Fields, identity: Identity) -> ModelSpec:
    """Phi-1, 1.5 and 2: attention and feed-forward side by side behind one norm, a bias everywhere.

    vLLM runs it through transformers' own modules, which hand over one tensor.
    """
    spec = llama(config, identity)
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


def phi3(config: Fields, identity: Identity) -> ModelSpec:
    """Llama's shape with fused matrices."""
    spec = llama(config, identity)
    window = config.optional_size("sliding_window")
    return replace(
        spec,
        max_positions=config.size("max_position_embeddings", default=4096),
        sliding_window_tokens=window,
    )


def gpt_neox(config: Fields, identity: Identity) -> ModelSpec:
    """Pythia and GPT-NeoX; through transformers' own modules in vLLM."""
    spec = llama(config, identity)
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
