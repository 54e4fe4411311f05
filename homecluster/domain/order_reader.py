"""Reading what one PC orders another to do, field by field: nothing is obeyed that was not checked."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from homecluster.errors import InputError

Choice = TypeVar("Choice", bound=str)
Item = TypeVar("Item")
_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


class OrderReader:
    """Takes fields out of a table one by one, so that what is left over is noticed; every mistake is an InputError."""

    def __init__(self, table: object) -> None:
        if not isinstance(table, Mapping):
            raise InputError("order is missing")
        self._left = dict(table)

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        """Matches the whole pattern."""
        value = self._take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise InputError(f"{name} is not allowed")  # it may be a secret: its value is not told
        return value

    def one_of(self, name: str, allowed: Iterable[Choice]) -> Choice:
        """One of some words, or of an enumeration."""
        value = self._take(name)
        for one in allowed:
            if value == one:
                return one
        raise InputError(f"{name} is not one of {', '.join(sorted(allowed))}")

    def optional_one_of(self, name: str, allowed: Iterable[Choice]) -> Choice | None:
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return self.one_of(name, allowed)

    def boolean(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            raise InputError(f"{name} is not true or false")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        return whole(name, self._take(name), least, most)

    def optional_number(self, name: str, least: int, most: int) -> int | None:
        value = self._take(name)
        return None if value is None else whole(name, value, least, most)

    def each(
        self, name: str, read: Callable[[object], Item], *, most: int, least: int = 1
    ) -> tuple[Item, ...]:
        """A list of so many, each read by `read`."""
        value = self._take(name)
        if not isinstance(value, list | tuple) or not least <= len(value) <= most:
            raise InputError(f"{name} is not a list of {least} to {most}")
        return tuple(read(one) for one in value)

    def numbers(self, name: str, least: int, most: int, *, count: int) -> tuple[int, ...]:
        return self.each(name, lambda one: whole(name, one, least, most), most=count)

    def addresses(self, name: str, *, most: int, least: int = 1) -> tuple[str, ...]:
        """Of PCs, none twice."""
        found = self.each(name, lambda one: address(name, one), most=most, least=least)
        if len(set(found)) < len(found):
            raise InputError(f"{name} names a PC twice")
        return found

    def address(self, name: str) -> str:
        return address(name, self._take(name))

    def finish(self) -> None:
        if self._left:
            raise InputError(f"unknown field {min(map(str, self._left))[:_SHOWN]!r}")

    def _take(self, name: str) -> object:
        if name not in self._left:
            raise InputError(f"{name} is missing")
        return self._left.pop(name)


def text(table: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """One field of a question that may have others."""
    return OrderReader(table).text(name, pattern)


def number(table: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """As `text`."""
    return OrderReader(table).number(name, least, most)


def whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} is not a whole number from {least} to {most}")
    return value


def address(name: str, value: object) -> str:
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise InputError(f"{name} holds no IP address: {str(value)[:_SHOWN]!r}") from error
