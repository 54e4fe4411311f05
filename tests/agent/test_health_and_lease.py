"""Silence, our own pauses, and how long a job may go on alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.health import Heard, forgiven, health_of, heard_now
from homecluster.agent.lease import Expired, Held, Lease, OnLoss, judge, renew
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


@given(times, st.floats(0.1, 1e4), st.lists(st.floats(0, 1e4), max_size=5))
@settings(max_examples=50)
def test_law_a_lease_that_ran_out_is_never_revived(
    start_s: float, ttl_s: float, waits_s: list[float]
) -> None:
    lease, now_s, was_over = Lease(renewed_at_s=start_s, ttl_s=ttl_s), start_s, False
    for wait_s in waits_s:
        now_s += wait_s
        was_over = was_over or isinstance(judge(lease, now_s), Expired)
        lease = renew(lease, now_s)
        assert isinstance(judge(lease, now_s), Expired) == was_over


def test_a_held_lease_says_how_long_and_a_lost_one_what_to_do() -> None:
    lease = Lease(renewed_at_s=100.0, ttl_s=30.0)
    keep = Lease(renewed_at_s=100.0, ttl_s=30.0, on_loss=OnLoss.KEEP)

    assert judge(lease, 110.0) == Held(left_s=20.0)
    assert judge(lease, 130.0) == Expired(silent_s=30.0, must_stop=True)
    assert judge(keep, 130.0) == Expired(silent_s=30.0, must_stop=False)
    assert isinstance(judge(renew(keep, 130.0), 130.0), Held)


def test_a_clock_of_another_boot_counts_as_run_out() -> None:
    assert isinstance(judge(Lease(renewed_at_s=100.0, ttl_s=30.0), 5.0), Expired)


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
