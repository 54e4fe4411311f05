"""The families of models that are known, by the class and the model_type that config.json names.

Defaults in the readers are those of transformers 5.19 (`models/FAMILY/configuration_FAMILY.py`); which family keeps its
ends on every pipeline stage, and what it hands to the next one, is read from vLLM 0.32 (`model_executor/models`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from homecluster.domain.model import ModelSpec
from homecluster.store.config_fields import Fields
from homecluster.store.family_experts import mixtral, qwen2_moe, qwen3_moe
from homecluster.store.family_llama import (
    gemma,
    gemma2,
    gemma3,
    gpt_neox,
    llama,
    mistral,
    phi,
    phi3,
    qwen2,
    qwen3,
)
from homecluster.store.family_own_keys import bert, bloom, gpt2, opt
from homecluster.store.model_identity import Identity

Family = Callable[[Fields, Identity], ModelSpec]


class _Row(NamedTuple):
    architecture: str
    model_type: str
    read: Family


_ROWS: Final = (
    _Row("GPT2LMHeadModel", "gpt2", gpt2),
    _Row("OPTForCausalLM", "opt", opt),
    _Row("LlamaForCausalLM", "llama", llama),
    _Row("MistralForCausalLM", "mistral", mistral),
    _Row("Qwen2ForCausalLM", "qwen2", qwen2),
    _Row("Qwen3ForCausalLM", "qwen3", qwen3),
    _Row("GemmaForCausalLM", "gemma", gemma),
    _Row("Gemma2ForCausalLM", "gemma2", gemma2),
    _Row("Gemma3ForCausalLM", "gemma3_text", gemma3),
    _Row("PhiForCausalLM", "phi", phi),
    _Row("Phi3ForCausalLM", "phi3", phi3),
    _Row("MixtralForCausalLM", "mixtral", mixtral),
    _Row("Qwen2MoeForCausalLM", "qwen2_moe", qwen2_moe),
    _Row("Qwen3MoeForCausalLM", "qwen3_moe", qwen3_moe),
    _Row("BloomForCausalLM", "bloom", bloom),
    _Row("GPTNeoXForCausalLM", "gpt_neox", gpt_neox),
    _Row("BertForMaskedLM", "bert", bert),
    _Row("BertModel", "bert", bert),
)

FAMILIES: Final[Mapping[str, Family]] = {row.architecture: row.read for row in _ROWS}
"""Hugging Face class -> how to read its config."""

MODEL_TYPES: Final[Mapping[str, str]] = {row.architecture: row.model_type for row in _ROWS}
"""Hugging Face class -> model_type of its config.json."""

ARCHITECTURE_OF_TYPE: Final[Mapping[str, str]] = {row.model_type: row.architecture for row in _ROWS}
"""model_type -> class, for a config.json that names no architecture; of two, the last row's."""
