"""Reading one key of a config.json that may be missing, of the wrong type, or a lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from homecluster.errors import InputError

LARGEST_SIZE: Final = 2**24
"""Above every real width, count or vocabulary; the largest today are vocabularies of 2**18."""

_SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A JSON object together with where it came from, for messages.

    A key set to null counts as missing, as transformers treats it. Wherever several names are given, the
    first that is present wins: families spell one idea differently.

    Every method raises InputError naming the file and the key.
    """

    values: Mapping[str, Any]
    where: str

    def size(self, *names: str, default: int | None = None, low: int = 1) -> int:
        """A whole number from `low` to `LARGEST_SIZE`."""
        found = self._first(names)
        if found is None:
            if default is None:
                raise InputError(
                    f"{self.where}: {names[0]} is missing",
                    hint="is this the config.json of a language model, as Hugging Face writes it?",
                )
            return default
        name, value = found
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refusal(name, value, f"a whole number from {low} to {LARGEST_SIZE}")
        if not low <= value <= LARGEST_SIZE:
            raise self.refusal(name, value, f"a whole number from {low} to {LARGEST_SIZE}")
        return value

    def optional_size(self, *names: str, low: int = 1) -> int | None:
        """As `size`, None where the key is missing."""
        return None if self._first(names) is None else self.size(*names, low=low)

    def flag(self, *names: str, default: bool) -> bool:
        found = self._first(names)
        if found is None:
            return default
        name, value = found
        if not isinstance(value, bool):
            raise self.refusal(name, value, "true or false")
        return value

    def text(self, *names: str, default: str | None = None) -> str | None:
        found = self._first(names)
        if found is None:
            return default
        name, value = found
        if not isinstance(value, str):
            raise self.refusal(name, value, "a text")
        return value

    def part(self, name: str) -> Fields | None:
        """The object under `name`, or None."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.refusal(name, value, "an object")
        return Fields(values=value, where=f"{self.where}: {name}")

    def sequence(self, name: str) -> tuple[Any, ...]:
        """The list under `name`, empty where it is missing."""
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.refusal(name, value, "a list")
        return tuple(value)

    def refusal(self, name: str, value: object, expected: str) -> InputError:
        return InputError(f"{self.where}: {name} is {shown(value)}; expected {expected}")

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any] | None:
        for name in names:
            if self.values.get(name) is not None:
                return name, self.values[name]
        return None


def shown(value: object) -> str:
    """A value in a message: short, however large or deep it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 4 * _SHOWN_CHARACTERS:
        return f"a number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
