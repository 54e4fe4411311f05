"""How often a member that lost its coordinator asks the whole network."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.app.coordinator_search import Pace, paced


def sweeps(times: list[float]) -> list[float]:
    pace, swept = Pace(), []
    for now_s in times:
        pace, may = paced(pace, now_s)
        if may:
            swept.append(now_s)
    return swept


def test_a_night_without_the_coordinator_costs_a_sweep_every_five_minutes() -> None:
    night = sweeps([100.0 + 5.0 * number for number in range(8 * 720)])
    assert night[:4] == [100.0, 105.0, 115.0, 135.0]
    assert len(night) < 8 * 12 + 10


def test_a_new_trouble_is_searched_for_at_once() -> None:
    old = [100.0 + 5.0 * number for number in range(100)]
    assert sweeps([*old, 5000.0])[-1] == 5000.0


@settings(max_examples=50)
@given(st.lists(st.floats(0.1, 20.0), min_size=1, max_size=60))
def test_law_pauses_between_sweeps_never_shrink_while_it_is_looked_for(gaps: list[float]) -> None:
    now_s, times = 1000.0, []
    for gap in gaps:
        now_s += gap
        times.append(now_s)
    found = sweeps(times)
    assert found[0] == times[0]
    asked_s = 4.0
    for before, after in pairwise(found):
        assert after - before >= asked_s - 1e-6
        asked_s = min(300.0, 2 * asked_s)
