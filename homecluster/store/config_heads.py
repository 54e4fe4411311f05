"""Attention heads of a config.json: how many, how wide, and refused where they do not divide."""

from __future__ import annotations

from homecluster.errors import InputError
from homecluster.store.config_fields import Fields


def kv_heads(config: Fields, heads: int, *, default: int) -> int:
    count = config.size("num_key_value_heads", default=default)
    if heads % count:
        raise InputError(
            f"{config.where}: num_attention_heads {heads} is not a multiple of num_key_value_heads {count}"
        )
    return count


def head_size(config: Fields, hidden_size: int, heads: int) -> int:
    given = config.optional_size("head_dim")
    return even_head_size(config, hidden_size, heads) if given is None else given


def even_head_size(config: Fields, hidden_size: int, heads: int) -> int:
    if hidden_size % heads:
        raise InputError(
            f"{config.where}: the hidden size {hidden_size} is not a multiple of the {heads} attention heads"
        )
    return hidden_size // heads
