"""How quantities with units are read and written; inside, everything is bytes, seconds, bytes/s and FLOP/s.

This is the only module that knows powers of 1024 and bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

_BYTES: Final[Mapping[str, float]] = {
    "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024**4,
}  # fmt: skip
_BANDWIDTH: Final[Mapping[str, float]] = {
    "bit/s": 1 / 8, "kbit/s": 1e3 / 8, "Mbit/s": 1e6 / 8, "Gbit/s": 1e9 / 8,
    "B/s": 1, "kB/s": 1e3, "KB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12,
}  # fmt: skip
_SECONDS: Final[Mapping[str, float]] = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
}
_FLOPS: Final[Mapping[str, float]] = {
    "FLOP/s": 1, "MFLOP/s": 1e6, "GFLOP/s": 1e9, "TFLOP/s": 1e12, "PFLOP/s": 1e15,
}  # fmt: skip
_RATIO: Final[Mapping[str, float]] = {"%": 0.01}

_LONGEST: Final = 80
_LEAST: Final = 1e-12
_MOST: Final = 1e24
"""Base units: a picosecond or a bit in millennia, and more FLOP/s than Earth has; sums within stay finite."""

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*")

_BITS = re.compile(r"([kKMG]?)(?:b|bit|bits)(?:/s|ps)?")


class UnitError(ValueError):
    """A quantity that cannot be read; the message says what was expected and the nearest spelling."""


def parse_bytes(text: object) -> int:
    """Bytes of a size such as `24 GiB` or `500 MB`."""
    return round(_parse(text, _BYTES, "size", "24 GiB"))


def parse_bandwidth(text: object) -> float:
    """Bytes per second of `20 Mbit/s` or `1008 GB/s`."""
    return _parse(text, _BANDWIDTH, "bandwidth", "940 Mbit/s")


def parse_seconds(text: object) -> float:
    """Seconds of `40 ms`."""
    return _parse(text, _SECONDS, "time", "0.3 ms")


def parse_flops(text: object) -> float:
    """FLOP per second of `165 TFLOP/s`."""
    return _parse(text, _FLOPS, "compute rate", "165 TFLOP/s")


def parse_ratio(text: object) -> float:
    """A share between 0 and 1 of `0.5 %`."""
    value = _parse(text, _RATIO, "share", "0.5 %")
    if value > 1:
        raise UnitError(f"{text!r} is more than 100 %")
    return value


def _parse(text: object, units: Mapping[str, float], what: str, example: str) -> float:
    if not isinstance(text, str):
        raise UnitError(f"not a {what}: write a number with its unit, such as {example!r}")
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise UnitError(
            f"{text[:_LONGEST]!r} is not a {what}: write a number with its unit, such as {example!r}"
        )
    number, unit = float(match[1]), match[2]
    if unit is None:
        raise UnitError(f"{text!r} has no unit: write for example {example!r}")
    if unit not in units:
        raise UnitError(f"{unit!r} is not a unit of {what}{_nearest(unit, units)}")
    if number < 0:
        raise UnitError(f"{text!r} is negative")
    value = number * units[unit]
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not a finite {what}")
    if value and not _LEAST <= value <= _MOST:
        raise UnitError(f"{text!r} is beyond any real {what}")
    return value


def _nearest(unit: str, units: Mapping[str, float]) -> str:
    bits = _BITS.fullmatch(unit)
    if bits and "bit/s" in units:  # `Gb` looks more like `GB/s`, and is an eighth of it
        prefix = bits[1].lower() if bits[1] in "kK" else bits[1]
        return f"; did you mean '{prefix}bit/s'?"
    folded = {name.lower(): name for name in units}
    close = get_close_matches(unit.lower(), folded, n=1, cutoff=0.4)
    known = ", ".join(units)
    return f"; did you mean {folded[close[0]]!r}?" if close else f"; known: {known}"


def format_bytes(value: float) -> str:
    """`5.5 GiB`: memory, so powers of 1024."""
    for unit, size in (("TiB", 1024**4), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f} B"


def format_traffic(value: float) -> str:
    """`78.6 MB`: bytes on a wire, so powers of 1000."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f} B"


def format_link_rate(value: float) -> str:
    """`20 Mbit/s` of bytes per second, as network people say it."""
    bits = value * 8
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= size:
            return f"{_three_digits(bits / size)} {unit}"
    return f"{_three_digits(bits)} bit/s"


def format_memory_rate(value: float) -> str:
    """`1008 GB/s` of bytes per second, as memory people say it."""
    return f"{_three_digits(value / 1e9)} GB/s"


def format_flops(value: float) -> str:
    """`165 TFLOP/s`."""
    for unit, size in (("PFLOP/s", 1e15), ("TFLOP/s", 1e12), ("GFLOP/s", 1e9)):
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{_three_digits(value)} FLOP/s"


def format_seconds(value: float) -> str:
    """`40 ms`, `1.06 s`, `2 min 5 s`."""
    if value >= 120:  # noqa: PLR2004 - two minutes: from here on people count minutes
        return f"{int(value // 60)} min {int(value % 60)} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return "0 s" if value == 0 else f"{_three_digits(value / 1e-9)} ns"


def format_rate(value: float) -> str:
    """A bare number of three significant digits, for tokens per second and the like."""
    return _three_digits(value)


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
