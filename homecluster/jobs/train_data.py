"""A user's JSONL file as samples of tokens; every mistake is named with its line.

Pure but for reading the file; the tokenizer is an argument. A line is one of

    {"text": "..."}                                       all of it is learned
    {"prompt": "...", "completion": "..."}                only the completion is
    {"messages": [{"role": "user", "content": "..."}, …]} only the assistant's last message is
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from homecluster.errors import InputError

IGNORED: Final = -100
"""The label of a token that is not learned; torch's cross-entropy skips it."""
MOST_HELD_OUT: Final = 200
"""Enough to tell 30 % from 45 %, and quick to ask."""
_LONGEST_LINE: Final = 4 * 1024 * 1024
_KINDS: Final = '{"text": …}, {"prompt": …, "completion": …} or {"messages": […]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What comes before, which is only read, and what is learned."""

    prompt: str
    learned: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    tokens: tuple[int, ...]
    labels: tuple[int, ...]


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


def sample_of(
    row: Row, encode: Callable[[str], Sequence[int]], *, end: int, sequence_tokens: int
) -> Sample:
    """Tokens and labels, the end token learned too; cut at `sequence_tokens`."""
    before, learned = list(encode(row.prompt)) if row.prompt else [], list(encode(row.learned))
    tokens = (before + learned + [end])[:sequence_tokens]
    labels = ([IGNORED] * len(before) + learned + [end])[:sequence_tokens]
    return Sample(tokens=tuple(tokens), labels=tuple(labels))


@lru_cache(maxsize=2)  # a batch lies in one epoch, or on the border of two
def order_of(total: int, epoch: int, seed: int) -> tuple[int, ...]:
    """The rows' order in one epoch: the same on every PC, another in the next epoch."""
    import random

    order = list(range(total))
    random.Random(f"{seed}:{epoch}").shuffle(order)  # noqa: S311 - not a secret
    return tuple(order)


def batch_rows(total: int, step: int, batch: int, seed: int) -> list[int]:
    """Rows of optimiser step `step`: the epochs' orders end to end, so a resumed run goes on where it stopped."""
    rows = []
    for position in range(step * batch, (step + 1) * batch):
        epoch, place = divmod(position, total)
        rows.append(order_of(total, epoch, seed)[place])
    return rows


def parts_of(rows: Sequence[int], micro_batches: Sequence[int], rank: int) -> list[Sequence[int]]:
    """What one rank takes of a step's rows, micro-step by micro-step; together the ranks take each row once."""
    each = sum(micro_batches)
    before, own = sum(micro_batches[:rank]), micro_batches[rank]
    return [
        rows[start + before : start + before + own]
        for start in range(0, len(rows) - each + 1, each)
    ]


def hold_out(total: int, share: float, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(rows to train on, rows to judge by), the second at most `MOST_HELD_OUT`; the same on every PC."""
    count = min(int(total * share), MOST_HELD_OUT, total - 1)
    order = order_of(total, -1, seed)
    return tuple(sorted(order[count:])), tuple(sorted(order[:count]))


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
