"""How the linear layers of a checkpoint are stored, from the quantization_config of its config.json."""

from __future__ import annotations

from typing import Final

from homecluster.domain.model import Quantization
from homecluster.errors import InputError
from homecluster.store.config_fields import Fields, shown

METHODS: Final = (
    "awq", "gptq", "fp8", "fbgemm_fp8", "compressed-tensors", "bitsandbytes",
)  # fmt: skip

_BITS: Final = (2, 3, 4, 5, 6, 8)
_FP32_BITS: Final = 32
_DOUBLE_QUANT_SCALE_BITS: Final = 8
"""QLoRA stores the block scales themselves in 8 bits (arXiv 2305.14314, section 3)."""
_BITSANDBYTES_BLOCK: Final = 64
_WHOLE_ROW: Final = -1


def parse_quantization(config: Fields) -> Quantization | None:
    """What a config.json says of its quantisation, None if it says nothing.

    Raises:
        InputError: a method that the planner cannot size, or figures out of range.
    """
    # compressed-tensors wrote its section under another name before transformers knew it
    section = config.part("quantization_config") or config.part("compression_config")
    if section is None:
        return None
    match (section.text("quant_method", default="") or "").lower():
        case "awq" | "awq_marlin":
            return _grouped(section, "awq", zero_points=section.flag("zero_point", default=True))
        case "gptq" | "gptq_marlin":
            # the file format stores zero points also where they are all the same (sym)
            return _grouped(section, "gptq", zero_points=True)
        case "fp8" | "fbgemm_fp8" as method:
            return _fp8(section, method)
        case "compressed-tensors" | "compressed_tensors":
            return _compressed_tensors(section)
        case "bitsandbytes":
            return _bitsandbytes(section)
        case other:
            raise InputError(
                f"{section.where}: quant_method {shown(other)} is not known",
                hint=f"known: {', '.join(METHODS)}; the model without quantisation may be planned instead.",
            )


def _grouped(section: Fields, method: str, *, zero_points: bool) -> Quantization:
    bits = _bits(section, "bits", "w_bit")
    return Quantization(
        method=method,
        weight_bits=bits,
        group_size=_group(section, "group_size", "q_group_size"),
        zero_point_bits=bits if zero_points else 0,
    )


def _fp8(section: Fields, method: str) -> Quantization:
    """One scale per tensor, counted as one per row (no visible difference), or one per square block."""
    block = section.sequence("weight_block_size")
    if not block:
        return Quantization(method=method, weight_bits=8, group_size=None, scale_bits=_FP32_BITS)
    rows_and_columns = 2
    whole = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in block)
    if len(block) != rows_and_columns or not whole:
        raise section.refusal("weight_block_size", list(block), "two positive whole numbers")
    return Quantization(
        method=method, weight_bits=8, group_size=block[0] * block[1], scale_bits=_FP32_BITS
    )


def _compressed_tensors(section: Fields) -> Quantization:
    """The widest of its groups of layers: nearly all checkpoints have one."""
    groups = section.part("config_groups")
    if groups is None or not groups.values:
        raise InputError(f"{section.where}: config_groups is missing")
    found = []
    for name in groups.values:
        group = groups.part(name)
        weights = group.part("weights") if group else None
        if weights is None:
            raise InputError(f"{groups.where}: {shown(name)} says nothing of its weights")
        bits = _bits(weights, "num_bits")
        found.append(
            Quantization(
                method="compressed-tensors",
                weight_bits=bits,
                group_size=_group(weights, "group_size"),
                zero_point_bits=0 if weights.flag("symmetric", default=True) else bits,
            )
        )
    return max(found, key=lambda quantization: quantization.weight_bits)


def _bitsandbytes(section: Fields) -> Quantization:
    if section.flag("load_in_8bit", "_load_in_8bit", default=False):
        return Quantization(
            method="bitsandbytes", weight_bits=8, group_size=None, scale_bits=_FP32_BITS
        )
    double = section.flag("bnb_4bit_use_double_quant", default=False)
    return Quantization(
        method="bitsandbytes",
        weight_bits=4,
        group_size=_BITSANDBYTES_BLOCK,
        scale_bits=_DOUBLE_QUANT_SCALE_BITS if double else _FP32_BITS,
    )


def _bits(section: Fields, *names: str) -> int:
    bits = section.size(*names)
    if bits not in _BITS:
        raise section.refusal(names[0], bits, f"one of {', '.join(map(str, _BITS))}")
    return bits


def _group(section: Fields, *names: str) -> int | None:
    """Both a missing size and -1 mean one scale for the whole row."""
    size = section.optional_size(*names, low=_WHOLE_ROW)
    if size == 0:
        raise section.refusal(names[0], size, "a positive number, or -1 for whole rows")
    return None if size == _WHOLE_ROW else size
