"""GPT-2, OPT, BLOOM and BERT: each with keys of its own in config.json, a bias everywhere, no gate."""

from __future__ import annotations

from typing import Final

from homecluster.domain.model import ModelSpec
from homecluster.errors import InputError
from homecluster.store.config_fields import Fields
from homecluster.store.config_heads import even_head_size
from homecluster.store.model_identity import Identity

_OPT_POSITION_OFFSET: Final = 2
"""OPT's first two position rows are never used for a token, but they are there."""


def gpt2(config: Fields, identity: Identity) -> ModelSpec:
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
        head_size=even_head_size(config, hidden_size, heads),
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


def opt(config: Fields, identity: Identity) -> ModelSpec:
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
        head_size=even_head_size(config, hidden_size, heads),
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


def bloom(config: Fields, identity: Identity) -> ModelSpec:
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
        head_size=even_head_size(config, hidden_size, heads),
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


def bert(config: Fields, identity: Identity) -> ModelSpec:
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
        head_size=even_head_size(config, hidden_size, heads),
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
