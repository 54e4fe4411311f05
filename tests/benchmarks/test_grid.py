"""The kept rows of real runs beside today's planner: a change that predicts them worse fails here."""

from __future__ import annotations

from statistics import median

import pytest

from benchmarks.grid.judge import FIRST_TOKEN, RATE, TOKEN_TIME, Judged, regrets, summed_up
from benchmarks.grid.report import judged_now


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return judged_now()


def test_the_grid_is_as_wide_as_it_says(judged: list[Judged]) -> None:
    assert len(judged) >= 60
    assert len({one.row["link"] for one in judged} - {"none"}) >= 8


@pytest.mark.parametrize(
    ("figure", "most"), [(RATE, 0.20), (TOKEN_TIME, 0.15), (FIRST_TOKEN, 0.30)]
)
def test_half_of_the_kept_runs_are_predicted_within_these_bounds(
    judged: list[Judged], figure: str, most: float
) -> None:
    assert summed_up(judged, figure).median <= most


def test_the_planned_bytes_crossed_the_links(judged: list[Judged]) -> None:
    pairs = [one.link_bytes for one in judged if one.link_bytes[1]]
    assert median(abs(seen / planned - 1) for seen, planned in pairs) <= 0.10


def test_the_layout_that_the_planner_would_take_gives_little_away(judged: list[Judged]) -> None:
    lost = regrets(judged)
    assert sum(lost) / len(lost) <= 0.03
