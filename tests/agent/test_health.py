"""Silence, our own pauses, and rates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.health import Heard, forgiven, health_of, heard_now
from homecluster.agent.limits import BEAT_S, DEAD_S, SUSPECT_S
from homecluster.agent.rate import Bucket
from homecluster.domain.member import Health

times = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("silent_s", "health"),
    [(0, Health.ALIVE), (SUSPECT_S, Health.SUSPECT), (DEAD_S, Health.DEAD), (1e6, Health.DEAD)],
)
def test_silence_makes_suspect_then_dead(silent_s: float, health: Health) -> None:
    assert health_of(Heard(at_s=50.0), 50.0 + silent_s) is health


def test_a_crash_shows_within_ten_seconds() -> None:
    assert DEAD_S + BEAT_S < 10


def test_never_heard_is_dead_and_gone_is_left() -> None:
    assert health_of(Heard(at_s=None), 5.0) is Health.DEAD
    assert health_of(Heard(at_s=5.0, has_left=True), 5.0) is Health.LEFT


@given(times, times)
@settings(max_examples=50)
def test_law_a_heartbeat_makes_alive(before_s: float, now_s: float) -> None:
    assert health_of(heard_now(Heard(at_s=before_s), now_s), now_s) is Health.ALIVE


@given(times, st.floats(0, 3.9), st.floats(0, 1e5))
@settings(max_examples=50)
def test_law_our_own_sleep_accuses_nobody(at_s: float, silent_s: float, slept_s: float) -> None:
    looked_at_s = at_s + silent_s
    now_s = looked_at_s + BEAT_S + slept_s

    heard = forgiven(Heard(at_s=at_s), looked_at_s=looked_at_s, now_s=now_s)

    assert health_of(heard, now_s) is not Health.DEAD


def test_who_spoke_after_our_sleep_is_not_heard_in_the_future() -> None:
    heard = Heard(at_s=100.0)

    assert forgiven(heard, looked_at_s=10.0, now_s=100.5) == Heard(at_s=100.5)


@given(st.lists(st.floats(0, 2), max_size=50))
@settings(max_examples=50)
def test_law_a_bucket_lets_no_more_through_than_its_rate(pauses_s: list[float]) -> None:
    clock = [0.0]
    bucket = Bucket(5.0, 10.0, lambda: clock[0])
    through = 0
    for pause_s in pauses_s:
        clock[0] += pause_s
        through += bucket.take()

    assert through <= 10 + 5 * clock[0] + 1e-6
