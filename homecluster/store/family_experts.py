"""Mixtures of experts: a dense family's shape with its feed-forward replaced."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.model import Experts, ModelSpec
from homecluster.errors import InputError
from homecluster.store.config_fields import Fields
from homecluster.store.config_heads import kv_heads
from homecluster.store.family_llama import llama, mistral, qwen2
from homecluster.store.model_identity import Identity


def qwen2_moe(config: Fields, identity: Identity) -> ModelSpec:
    _refuse_mixed_layers(config)
    spec = qwen2(config, identity)
    experts = Experts(
        count=config.size("num_experts", default=60),
        per_token=_experts_per_token(config, 60, default=4),
        ffn_size=config.size("moe_intermediate_size", default=1408),
        shared_ffn_size=config.size("shared_expert_intermediate_size", default=5632, low=0),
        shared_gate=True,
    )
    return replace(spec, experts=experts, ends_on_every_stage=True)


def qwen3_moe(config: Fields, identity: Identity) -> ModelSpec:
    _refuse_mixed_layers(config)
    spec = llama(config, identity)
    experts = Experts(
        count=config.size("num_experts", "num_local_experts", default=128),
        per_token=_experts_per_token(config, 128, default=8),
        ffn_size=config.size("moe_intermediate_size", default=768),
    )
    return replace(
        spec,
        kv_heads=kv_heads(config, spec.heads, default=4),
        max_positions=config.size("max_position_embeddings", default=32768),
        qk_norm=True,
        experts=experts,
        ends_on_every_stage=True,
    )


def mixtral(config: Fields, identity: Identity) -> ModelSpec:
    spec = mistral(config, identity)
    experts = Experts(
        count=config.size("num_local_experts", default=8),
        per_token=_experts_per_token(config, 8, default=2),
        ffn_size=spec.ffn_size,
    )
    return replace(spec, experts=experts, ends_on_every_stage=True)


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
