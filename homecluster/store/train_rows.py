"""A user's JSONL file as rows to learn from; every mistake is named with its line.

A line is one of

    {"text": "..."}                                       all of it is learned
    {"prompt": "...", "completion": "..."}                only the completion is
    {"messages": [{"role": "user", "content": "..."}, …]} only the assistant's last message is
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.errors import InputError

_LONGEST_LINE: Final = 4 * 1024 * 1024
_KINDS: Final = '{"text": …}, {"prompt": …, "completion": …} or {"messages": […]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What comes before, which is only read, and what is learned."""

    prompt: str
    learned: str


def read_rows(path: Path) -> tuple[Row, ...]:
    """Every line of the file.

    Raises:
        InputError: the file is missing, empty or wrong; with the line.
    """
    try:
        with path.open("rb") as file:
            rows = tuple(_rows(file, path))
    except OSError as error:
        raise InputError(f"cannot read the data {path}: {error.strerror or error}") from error
    if not rows:
        raise InputError(
            f"{path} holds no sample", hint=f"write one JSON object per line: {_KINDS}"
        )
    return rows


def _rows(file: Iterator[bytes], path: Path) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        if len(line) > _LONGEST_LINE:
            raise InputError(f"{place}: the line is longer than 4 MiB")
        try:
            document = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{place}: not one JSON object: {error}") from error
        yield _row(document, place)


def _row(document: Any, place: str) -> Row:
    match document:
        case {"text": str(text)} if text:
            return Row(prompt="", learned=text)
        case {"prompt": str(prompt), "completion": str(completion)} if completion:
            return Row(prompt=prompt, learned=completion)
        case {"messages": [*before, {"role": "assistant", "content": str(answer)}]} if answer:
            return Row(prompt=_conversation(before, place), learned=answer)
    raise InputError(f"{place}: is none of {_KINDS}, with texts that are not empty")


def _conversation(messages: list[Any], place: str) -> str:
    lines = []
    for message in messages:
        match message:
            case {"role": str(role), "content": str(content)}:
                lines.append(f"{role}: {content}\n")
            case _:
                raise InputError(f"{place}: a message needs a role and a content, both texts")
    return "".join(lines) + "assistant: "
