"""Reading a hand-written document key by key, so that every mistake is named with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from homecluster.domain.units import UnitError
from homecluster.errors import InputError
from homecluster.store.config_fields import shown

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

MOST = 1_000_000
"""Of anything that is counted in a document: beyond it nothing is real, and arithmetic takes for ever."""
_LONGEST_LIST = 4096
_LONGEST_TEXT = 1000
"""Another PC may name its devices as it likes, but not fill our page and terminal with it."""
_LONGEST = 80
"""Characters of a name that a message repeats, and that are compared with known names."""


class Fields:
    """A table of the document; `place` is its dotted path, `text` the whole file for line numbers."""

    def __init__(self, table: object, *, place: str, file: str, text: str) -> None:
        self.place, self.file, self.text = place, file, text
        if not isinstance(table, dict):
            raise self.error("", f"must be a table, not {shown(table)}")
        self.table: Mapping[str, Any] = table

    def error(self, key: str, message: str) -> InputError:
        where = ".".join(part for part in (self.place, key) if part) or "the document"
        line = self._line(key or self.place.rsplit(".", 1)[-1])
        where = where if len(where) <= _LONGEST else f"{where[:_LONGEST]}…"
        at = f"{self.file}:{line}" if line else self.file
        return InputError(f"{at}: {where}: {message}")

    def allow(self, *known: str) -> None:
        """Refuse keys beyond `known`, naming the nearest."""
        for key in self.table:
            if key not in known:
                close = get_close_matches(str(key)[:_LONGEST], known, n=1, cutoff=0.5)
                hint = (
                    f"; did you mean '{close[0]}'?"
                    if close
                    else f"; known here: {', '.join(known)}"
                )
                raise self.error(str(key), f"unknown key{hint}")

    def get(self, key: str, parse: Callable[[object], T], default: T) -> T:
        return default if key not in self.table else self._parsed(key, parse)

    def need(self, key: str, parse: Callable[[object], T]) -> T:
        if key not in self.table:
            raise self.error("", f"{key!r} is missing")
        return self._parsed(key, parse)

    def child(self, key: str) -> Fields | None:
        if key not in self.table:
            return None
        return Fields(self.table[key], place=self._path(key), file=self.file, text=self.text)

    def children(self, key: str) -> Iterator[Fields]:
        """The tables of an array, in order."""
        items = self.table.get(key, [])
        if not isinstance(items, list):
            raise self.error(key, "must be an array of tables")
        for index, item in enumerate(items):
            yield Fields(item, place=f"{self._path(key)}[{index}]", file=self.file, text=self.text)

    def _parsed(self, key: str, parse: Callable[[object], T]) -> T:
        try:
            return parse(self.table[key])
        except UnitError as error:
            raise self.error(key, str(error)) from error

    def _path(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _line(self, key: str) -> int | None:
        """The line where the key stands, if it stands in one line only; else nothing rather than a wrong one."""
        name = re.escape(re.sub(r"\[\d+\]$", "", key))
        pattern = re.compile(rf'(?:^|[\s{{.,\["])"?{name}"?\s*(?:[=:\]]|$)')
        lines = [n for n, line in enumerate(self.text.splitlines(), 1) if pattern.search(line)]
        return lines[0] if len(lines) == 1 else None


def positive(parse: Callable[[object], T]) -> Callable[[object], T]:
    """`parse`, refusing zero where it would be senseless."""

    def checked(value: object) -> T:
        parsed = parse(value)
        if not parsed:
            raise UnitError(f"{shown(value)} must be more than zero")
        return parsed

    return checked


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnitError(f"{shown(value)} must be a text in quotes")
    if len(value) > _LONGEST_TEXT:
        raise UnitError(f"{shown(value)} must be a text of at most {_LONGEST_TEXT} characters")
    return value


def whole_number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise UnitError(f"{shown(value)} must be a whole number, at least 1 and at most {MOST}")
    return value


def list_of(parse: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    def parsed(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > _LONGEST_LIST:
            raise UnitError(f"{shown(value)} must be a list of at most {_LONGEST_LIST}")
        return tuple(map(parse, value))

    return parsed


def one_of(names: tuple[str, ...]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in names:
            close = get_close_matches(shown(value)[:_LONGEST], names, n=1, cutoff=0.4)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise UnitError(f"{shown(value)} is none of {', '.join(names)}{hint}")
        return str(value)

    return parse


def member(kind: type[Choice]) -> Callable[[object], Choice]:
    parse = one_of(tuple(kind))
    return lambda value: kind(parse(value))
