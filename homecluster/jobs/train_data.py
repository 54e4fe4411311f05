"""Rows as samples of tokens, and who learns from which in which step. Pure; the tokenizer is an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from homecluster.store.train_rows import Row

IGNORED: Final = -100
"""The label of a token that is not learned; torch's cross-entropy skips it."""
MOST_HELD_OUT: Final = 200
"""Enough to tell 30 % from 45 %, and quick to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    tokens: tuple[int, ...]
    labels: tuple[int, ...]


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
