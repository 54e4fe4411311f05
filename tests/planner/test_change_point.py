"""A lasting change is found where it happened; noise, hiccups and troubles that passed are none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.planner.change_point import last_change


def noise(level: float, count: int, seed: int = 1) -> list[float]:
    """Round trips as homes have them: a floor and a long tail."""
    draw = random.Random(seed)
    return [level * (1 + draw.expovariate(4)) for _ in range(count)]


@pytest.mark.parametrize(("before", "after"), [(30, 30), (100, 5), (8, 100), (5, 3)])
def test_a_lasting_change_is_found_within_three_points(before: int, after: int) -> None:
    change = last_change(noise(0.003, before) + noise(0.02, after, seed=2))

    assert change is not None
    assert abs(change.index - before) <= 3
    assert change.ratio > 3


def test_a_change_for_the_better_is_a_change_too() -> None:
    change = last_change(noise(0.02, 20) + noise(0.003, 20, seed=2))

    assert change is not None
    assert change.ratio < 0.5


def test_noise_alone_rarely_looks_like_a_change() -> None:
    found = [last_change(noise(0.003, 60, seed=seed)) for seed in range(200)]

    assert sum(one is not None for one in found) <= 2


@pytest.mark.parametrize("hiccups", [1, 2])
def test_a_hiccup_is_no_change(hiccups: int) -> None:
    assert last_change(noise(0.003, 40) + [0.4] * hiccups) is None


def test_a_trouble_that_came_and_went_is_no_change() -> None:
    assert (
        last_change(noise(0.003, 30) + noise(0.03, 12, seed=2) + noise(0.003, 30, seed=3)) is None
    )


def test_a_trouble_that_just_ended_is_no_change_that_lasts() -> None:
    good, bad, good_again = ([level + 0.001 * i for i in range(count)] for level, count in ((1, 10), (10, 10), (1.0005, 3)))  # fmt: skip
    assert last_change(good + bad) is not None
    assert last_change(good + bad + good_again) is None


def test_a_slight_change_is_not_worth_a_word() -> None:
    assert last_change(noise(0.003, 60) + noise(0.0036, 60, seed=2)) is None


def test_too_few_points_say_nothing() -> None:
    assert last_change([0.001] * 4 + [1.0] * 3) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_any_series_is_judged_and_the_change_lies_inside(values: list[float]) -> None:
    change = last_change(values)

    if change is not None:
        assert 5 <= change.index <= len(values) - 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=8, max_size=40), st.sampled_from((0.25, 2.0, 1024.0))
)
def test_the_unit_does_not_matter(values: list[float], factor: float) -> None:
    one, other = last_change(values), last_change([value * factor for value in values])

    assert (one and one.index) == (other and other.index)
