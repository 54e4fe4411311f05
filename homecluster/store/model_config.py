"""What a Hugging Face config.json says of a model's shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from homecluster.domain.hardware import DType
from homecluster.domain.model import ModelSpec
from homecluster.errors import InputError
from homecluster.planner.weights import parameter_count
from homecluster.store.config_fields import Fields, shown
from homecluster.store.model_families import ARCHITECTURE_OF_TYPE, FAMILIES
from homecluster.store.model_identity import Identity
from homecluster.store.model_quantization import parse_quantization

LARGEST_PARAMETERS: Final = 10**14
"""Fifty times the largest published model; beyond it the file describes nothing that exists."""

_FORMER_NAMES: Final = {"LLaMAForCausalLM": "LlamaForCausalLM"}
"""How early conversions of the first Llama called it."""

_DTYPES: Final = {
    "float32": DType.FP32,
    "float16": DType.FP16,
    "half": DType.FP16,
    "bfloat16": DType.BF16,
    "float8_e4m3fn": DType.FP8,
    "float8_e5m2": DType.FP8,
    "int8": DType.INT8,
}


def parse_config(config: object, *, name: str, where: str) -> ModelSpec:
    """The shape that a config.json describes; `where` is named in errors.

    An architecture that is not in `model_families.FAMILIES` is refused rather than taken for a Llama: one
    unnoticed projection or dense layer makes every figure wrong, and a wrong plan is worse than none.

    Raises:
        InputError: names the key that is missing, of the wrong type or out of range.
    """
    if not isinstance(config, dict):
        raise InputError(f"{where} is {shown(config)}, not the object that a config.json is")
    outer = Fields(values=config, where=where)
    fields = _text_part(outer)
    identity = Identity(
        name=name, architecture=_architecture(outer, fields), dtype=_dtype(outer, fields)
    )
    spec = replace(
        FAMILIES[identity.architecture](fields, identity),
        quantization=parse_quantization(outer) or parse_quantization(fields),
    )
    total = parameter_count(spec)
    if total > LARGEST_PARAMETERS:
        raise InputError(f"{where} describes {total:.1e} parameters: no such model exists")
    return spec


def _text_part(outer: Fields) -> Fields:
    """Models that also see or hear keep their language part under `text_config`."""
    return outer.part("text_config") or outer


def _architecture(outer: Fields, fields: Fields) -> str:
    listed = [*outer.sequence("architectures"), *fields.sequence("architectures")]
    named = [_FORMER_NAMES.get(name, name) if isinstance(name, str) else name for name in listed]
    known = next((name for name in named if isinstance(name, str) and name in FAMILIES), None)
    if known is not None:
        return known
    model_type = fields.text("model_type") or ""
    if not named or fields is not outer:
        by_type = ARCHITECTURE_OF_TYPE.get(model_type)
        if by_type is not None:
            return by_type
    what = shown(named[0]) if named else f"model_type {shown(model_type)}"
    raise InputError(
        f"{outer.where}: the architecture {what} is not known", hint=f"known: {', '.join(FAMILIES)}"
    )


def _dtype(outer: Fields, fields: Fields) -> DType:
    """Of the checkpoint; a config that does not say holds fp32, as PyTorch's default is."""
    text = outer.text("dtype", "torch_dtype") or fields.text("dtype", "torch_dtype") or "float32"
    dtype = _DTYPES.get(text.removeprefix("torch."))
    if dtype is None:
        raise outer.refusal("torch_dtype", text, f"one of {', '.join(_DTYPES)}")
    return dtype
