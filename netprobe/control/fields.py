"""Taking typed, bounded fields out of a JSON object that a stranger may have sent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

Document = Mapping[str, object]
MAX_REQUEST_BYTES = 64 * 1024
MAX_REPLY_BYTES = 8 * 1024 * 1024
"""A reply may carry every sample of a probe."""
_TEXT_MAX = 4096


class MalformedError(ValueError):
    """The message is not what the protocol says; the text names the field."""


def decode(line: bytes) -> Document:
    """The JSON object of one line.

    Raises:
        MalformedError: not JSON, not an object, NaN, nested too deep, numbers too long.
    """
    try:
        document = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedError("not a JSON line") from error
    if not isinstance(document, dict):
        raise MalformedError("not a JSON object")
    return document


def encode(document: Document) -> bytes:
    """One line, compact, so that it never looks like a request of another text protocol."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def text(document: Document, key: str, *, default: str | None = None) -> str:
    value = document.get(key, default)
    if not isinstance(value, str) or len(value) > _TEXT_MAX:
        raise MalformedError(f"{key} must be a text")
    return value


def integer(document: Document, key: str, *, low: int, high: int) -> int:
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MalformedError(f"{key} must be a whole number from {low} to {high}")
    return value


def number(document: Document, key: str, *, low: float = 0.0, high: float = math.inf) -> float:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError(f"{key} must be a number")
    if not low <= value <= high or not _is_finite(value):
        raise MalformedError(f"{key} must be from {low} to {high}")
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def numbers(document: Document, key: str) -> tuple[float, ...]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise MalformedError(f"{key} must be a list")
    return tuple(number({"sample": item}, "sample") for item in value)


def hex_bytes(document: Document, key: str, *, size: int) -> bytes:
    try:
        value = bytes.fromhex(text(document, key))
    except ValueError as error:
        raise MalformedError(f"{key} must be hexadecimal") from error
    if len(value) != size:
        raise MalformedError(f"{key} must have {size} bytes")
    return value


def child(document: Document, key: str) -> Document:
    value = document.get(key)
    if not isinstance(value, dict):
        raise MalformedError(f"{key} must be an object")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number")
