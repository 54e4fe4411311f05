"""JSON from another PC, read so that no text can exhaust or surprise us."""

from __future__ import annotations

import json
import re
from typing import Any

from homecluster.agent.limits import MAX_BODY_BYTES, MAX_DEPTH, MAX_INTEGER

_MAX_DIGITS = 32
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{}]', re.DOTALL)


class BadMessageError(Exception):
    """What came is not a message of ours; the text is safe to send back."""


def parse(content: bytes | str, *, limit_bytes: int = MAX_BODY_BYTES) -> Any:
    """The value of a JSON text of bounded size, depth and numbers, without duplicate keys.

    Raises:
        BadMessageError: anything else.
    """
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > limit_bytes:
        raise BadMessageError(f"larger than {limit_bytes} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadMessageError("not UTF-8") from None
    if _depth(text) > MAX_DEPTH:
        raise BadMessageError(f"nested deeper than {MAX_DEPTH}")
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse,
            object_pairs_hook=_table,
        )
    except (ValueError, RecursionError) as error:
        raise BadMessageError(f"not JSON: {str(error)[:80]}") from None


def parse_table(content: bytes | str, *, limit_bytes: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """As `parse`, and it must be an object."""
    value = parse(content, limit_bytes=limit_bytes)
    if not isinstance(value, dict):
        raise BadMessageError("not a JSON object")
    return value


def _depth(text: str) -> int:
    """Deepest nesting of brackets outside of strings; told before the parser recurses."""
    deepest = depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        char = found[0]
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or abs(int(digits)) > MAX_INTEGER:
        raise ValueError("integer out of range")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > _MAX_DIGITS * 2:
        raise ValueError("number too long")
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("number out of range")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice")
    return table
