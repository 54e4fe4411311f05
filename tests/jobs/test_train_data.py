"""Rows become tokens, and every rank takes its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.jobs.train_data import (
    IGNORED,
    batch_rows,
    hold_out,
    parts_of,
    sample_of,
)
from homecluster.store.train_rows import Row


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_only_the_completion_is_learned() -> None:
    sample = sample_of(Row(prompt="ab", learned="c"), encode, end=0, sequence_tokens=9)
    assert sample.tokens == (97, 98, 99, 0)
    assert sample.labels == (IGNORED, IGNORED, 99, 0)


def test_a_long_sample_is_cut() -> None:
    sample = sample_of(Row(prompt="", learned="abcdef"), encode, end=0, sequence_tokens=3)
    assert sample.tokens == sample.labels == (97, 98, 99)


@settings(max_examples=30)
@given(total=st.integers(1, 20), batch=st.integers(1, 8))
def test_law_steps_end_to_end_are_whole_epochs(total: int, batch: int) -> None:
    """After `total` steps every row was seen `batch` times, wherever one stops and goes on."""
    seen = [row for step in range(total) for row in batch_rows(total, step, batch, seed=1)]
    assert sorted(seen) == sorted(list(range(total)) * batch)
    assert sorted(seen[:total]) == list(range(total))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 3))
def test_the_ranks_take_each_row_of_a_step_once(
    micro_batches: list[int], accumulation: int
) -> None:
    rows = list(range(100, 100 + sum(micro_batches) * accumulation))
    parts = [parts_of(rows, micro_batches, rank) for rank in range(len(micro_batches))]
    assert all(len(part) == accumulation for part in parts)
    assert [len(part[0]) for part in parts] == micro_batches
    assert sorted(row for part in parts for micro in part for row in micro) == rows


@pytest.mark.parametrize(("total", "share", "judging"), [(60, 0.2, 12), (1, 0.9, 0), (5000, 0.9, 200)])  # fmt: skip
def test_held_out_rows_are_never_learned_from(total: int, share: float, judging: int) -> None:
    learned, held = hold_out(total, share, seed=0)
    assert len(held) == judging
    assert sorted((*learned, *held)) == list(range(total))
