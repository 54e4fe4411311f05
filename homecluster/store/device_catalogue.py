"""What the data sheets say of a GPU, found by the many ways people and drivers spell its name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Final

from homecluster.domain.hardware import DType
from homecluster.domain.units import GIB, parse_bandwidth, parse_bytes, parse_flops


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """One row of the catalogue."""

    name: str
    memory_bytes: int
    memory_bandwidth_bytes_per_s: float
    flops: tuple[tuple[DType, float], ...]
    """Dense peaks in FLOP/s; fp16, bf16 and fp8 on tensor cores with fp32 accumulate, fp32 without."""
    compute_capability: tuple[int, int]
    source: str


_NOISE: Final = frozenset({
    "nvidia", "geforce", "quadro", "tesla", "rtx", "gtx", "gpu", "graphics", "card", "generation", "gen",
    "with", "design", "blackwell", "workstation", "edition",
    "sxm", "sxm2", "sxm4", "sxm5", "hbm2", "hbm2e", "hbm3", "hbm3e",
})  # fmt: skip
"""Words that tell no two rows apart; a data-centre card without `PCIe` or `NVL` is the SXM one."""

_SAME: Final = {"mobile": "laptop", "notebook": "laptop"}
_MEMORY: Final = re.compile(r"\b(\d+)\s*gi?b\b")
_GLUED_PREFIX: Final = re.compile(r"\b(rtx|gtx)(?=a?\d)")
_GLUED_SUFFIX: Final = re.compile(r"(?<=\d)(ti|super|laptop|mobile|d)(?![a-z])")
_ECC_SHARE: Final = 1 / 16
"""GDDR6 data-centre cards lose this much of the printed memory to error correction."""


@dataclass(frozen=True, slots=True)
class _Spelling:
    words: frozenset[str]
    memory_bytes: int | None


def find_device(name: str, memory_bytes: int | None = None) -> DeviceFacts | None:
    """The row of exactly this device; None rather than a relative of it.

    `memory_bytes`, as the driver reports it, chooses between variants of one name (RTX 3060 with 12
    or 8 GB); so does a size in the name. Without either the first row of the name wins.
    """
    wanted = _spelling(name)
    rows = [facts for spelling, facts in _rows() if spelling.words == wanted.words]
    if wanted.memory_bytes is not None:
        rows = [facts for facts in rows if _is_printed_as(facts, wanted.memory_bytes)]
    if not rows:
        return None
    if memory_bytes is None:
        return rows[0]
    return min(rows, key=lambda facts: abs(facts.memory_bytes - memory_bytes))


def nearest_devices(name: str) -> list[str]:
    """At most four names of the catalogue that look like `name`, best first."""
    by_text = {_text(facts.name): facts.name for _, facts in reversed(_rows())}
    return [by_text[text] for text in get_close_matches(_text(name), by_text, n=4, cutoff=0.5)]


def all_devices() -> tuple[DeviceFacts, ...]:
    """Every row, in the order of the file."""
    return tuple(facts for _, facts in _rows())


def _is_printed_as(facts: DeviceFacts, printed_bytes: int) -> bool:
    return printed_bytes * (1 - _ECC_SHARE) <= facts.memory_bytes <= printed_bytes


def _spelling(name: str) -> _Spelling:
    text = re.sub(r"max[\s-]?q", "maxq", name.lower())
    text = _GLUED_PREFIX.sub(r"\1 ", text)
    text = _GLUED_SUFFIX.sub(r" \1 ", text)
    text = re.sub(r"[^a-z0-9]+", " ", text)
    size = _MEMORY.search(text)
    words = _MEMORY.sub(" ", text).split()
    return _Spelling(
        words=frozenset(_SAME.get(word, word) for word in words if word not in _NOISE),
        memory_bytes=int(size[1]) * GIB if size else None,
    )


def _text(name: str) -> str:
    return " ".join(sorted(_spelling(name).words))


@cache
def _rows() -> tuple[tuple[_Spelling, DeviceFacts], ...]:
    text = resources.files("homecluster.store").joinpath("data/devices.json").read_text("utf-8")
    facts = [_facts(row) for row in json.loads(text)["devices"]]
    return tuple((_spelling(row.name), row) for row in facts)


def _facts(row: dict[str, object]) -> DeviceFacts:
    flops = row["flops"]
    assert isinstance(flops, dict)
    major, minor = str(row["compute_capability"]).split(".")
    return DeviceFacts(
        name=str(row["name"]),
        memory_bytes=parse_bytes(row["memory"]),
        memory_bandwidth_bytes_per_s=parse_bandwidth(row["memory_bandwidth"]),
        flops=tuple((DType(dtype), parse_flops(rate)) for dtype, rate in flops.items()),
        compute_capability=(int(major), int(minor)),
        source=str(row["source"]),
    )
