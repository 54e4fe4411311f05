"""Frozen dataclasses <-> JSON values, by their declared types; what does not fit them is refused."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

_T = TypeVar("_T")
_LONGEST_TEXT: Final = 2_000
_LONGEST_LIST: Final = 4_096
_LARGEST: Final = 1e300
"""Beyond it arithmetic overflows; NaN is not below it either."""


class ShapeError(ValueError):
    """A value that is not of the declared type; names the field."""


def write_table(value: Any) -> Any:
    """The JSON value of a dataclass, its fields by name."""
    if is_dataclass(value):
        return {field.name: write_table(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [write_table(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def read_table(kind: type[_T], value: object, where: str = "document") -> _T:
    """The dataclass that `write_table` wrote; unknown keys are passed over, for they may be newer.

    Raises:
        ShapeError: a field is missing, of the wrong type, absurdly long, or not finite.
    """
    if not isinstance(value, Mapping):
        raise ShapeError(f"{where} is not an object")
    hints = get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type] # a dataclass type; the bound cannot say so
        if field.name in value:
            chosen[field.name] = _read(
                hints[field.name], value[field.name], f"{where}.{field.name}"
            )
    try:
        return kind(**chosen)
    except TypeError as error:
        raise ShapeError(f"{where} lacks a field: {error}") from error


def _read(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _read_optional(hint, value, where)
    if origin is tuple:
        return _read_tuple(get_args(hint), value, where)
    hint = getattr(hint, "__supertype__", hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return read_table(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise ShapeError(f"{where}: {error}") from error
    return _plain(hint, value, where)


def _read_optional(hint: Any, value: Any, where: str) -> Any:
    if value is None:
        return None
    (kind,) = [part for part in get_args(hint) if part is not type(None)]
    return _read(kind, value, where)


def _read_tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > _LONGEST_LIST:
        raise ShapeError(f"{where} is not a list of at most {_LONGEST_LIST}")
    if parts[-1] is Ellipsis:
        return tuple(_read(parts[0], one, f"{where}[{i}]") for i, one in enumerate(value))
    if len(parts) != len(value):
        raise ShapeError(f"{where} has {len(value)} entries, not {len(parts)}")
    return tuple(
        _read(part, one, f"{where}[{i}]")
        for i, (part, one) in enumerate(zip(parts, value, strict=True))
    )


def _plain(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, bool) == (hint is bool) and _fits(hint, value):
        return float(value) if hint is float else value
    raise ShapeError(f"{where} is not a {getattr(hint, '__name__', hint)}")


def _fits(hint: Any, value: Any) -> bool:
    """Whether a JSON value may stand for the plain type; a whole number may for a float."""
    if hint is float:
        return isinstance(value, int | float) and abs(value) < _LARGEST
    if hint is str:
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT
    return isinstance(value, hint) and (hint is not int or abs(value) < _LARGEST)
