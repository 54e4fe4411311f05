"""A span with a diagnosis is set against the spans around it."""

import pytest

from benchmarks.diagnosis_cost import between, told


def test_a_machine_that_slows_down_evenly_costs_nothing() -> None:
    alone, diagnosed = [10.0, 8.0, 6.0], [9.0, 7.0]

    assert between(alone) == pytest.approx(diagnosed)


def test_the_spread_of_spans_without_a_diagnosis_is_told_too() -> None:
    pairs = [
        {"alone_tokens_per_s": 10.0, "diagnosed_tokens_per_s": 9.0},
        {"alone_tokens_per_s": 10.0, "diagnosed_tokens_per_s": 9.5},
    ]

    said = told({"pairs": pairs, "alone_tokens_per_s": [10.0, 11.0, 10.0]})

    assert "0.90, 0.95" in said
    assert "median 0.925, 0.90 to 0.95; 1.10 to 1.10 where none was asked" in said
