"""The data feed's ledger: every sample once per epoch, whatever dies, joins or is too big."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from homecluster.jobs import feed_ledger as feed
from homecluster.jobs.feed_ledger import Lease, Ledger


def joined(total: int, **most: int) -> Ledger:
    ledger = Ledger(total=total)
    for name, samples in most.items():
        ledger = feed.join(ledger, name, samples)
    return ledger


def given(ledger: Ledger, name: str, now_s: float = 0.0) -> tuple[Ledger, Lease]:
    ledger, lease = feed.lease(ledger, name, now_s)
    assert lease is not None
    return ledger, lease


def test_a_new_worker_begins_with_a_few_samples() -> None:
    _, lease = given(joined(1000, a=64), "a")
    assert (lease.start, lease.stop) == (0, feed.FIRST_SAMPLES)


def test_a_fast_worker_gets_more() -> None:
    ledger = joined(10_000, slow=999, fast=999)
    for name, seconds in (("slow", 4.0), ("fast", 1.0)):
        ledger, lease = given(ledger, name)
        ledger, accepted = feed.acknowledge(ledger, name, lease.number, seconds)
        assert accepted
    ledger, slow = given(ledger, "slow")
    ledger, fast = given(ledger, "fast")
    assert (slow.samples, fast.samples) == (1, 4)  # a second's work each


def test_a_lease_never_exceeds_the_workers_memory() -> None:
    ledger = joined(10_000, a=3)
    ledger, lease = given(ledger, "a")
    ledger, _ = feed.acknowledge(ledger, "a", lease.number, 1e-3)
    _, lease = given(ledger, "a")
    assert lease.samples == 3


def test_the_last_samples_are_shared_so_that_all_finish_together() -> None:
    ledger = joined(28, a=999, b=999)
    for name in "ab":
        ledger, lease = given(ledger, name)
        ledger, _ = feed.acknowledge(ledger, name, lease.number, 0.1)
    ledger, lease = given(ledger, "a")
    assert lease.samples == 5  # 20 left, half of them its share, half of that at a time


def test_what_a_dead_worker_held_goes_to_the_next_that_asks() -> None:
    ledger = joined(100, a=9, b=9)
    ledger, lost = given(ledger, "a")
    ledger = feed.leave(ledger, "a")
    _, again = given(ledger, "b")
    assert (again.start, again.stop) == (lost.start, lost.stop)


def test_an_acknowledgement_of_a_lost_lease_does_not_count() -> None:
    ledger = joined(100, a=9, b=9)
    ledger, lost = given(ledger, "a")
    ledger = feed.join(ledger, "a", 9)  # it came back, and lost its lease
    ledger, accepted = feed.acknowledge(ledger, "a", lost.number, 1.0)
    assert not accepted
    assert (ledger.acknowledged, ledger.refused) == (0, 1)


def test_nobody_acknowledges_for_another() -> None:
    ledger, lease = given(joined(100, a=9, b=9), "a")
    assert feed.acknowledge(ledger, "b", lease.number, 1.0)[1] is False


def test_what_is_too_big_comes_back_in_halves() -> None:
    ledger, lease = given(joined(100, a=4), "a")
    ledger = feed.too_big(ledger, "a", lease.number)
    _, again = given(ledger, "a")
    assert (again.start, again.samples) == (0, 2)


def test_one_sample_that_does_not_fit_is_said() -> None:
    ledger, lease = given(joined(100, a=1), "a")
    with pytest.raises(ValueError, match="not even one sample"):
        feed.too_big(ledger, "a", lease.number)


def test_an_empty_data_set_is_finished() -> None:
    assert Ledger(total=0).finished


NAMES = st.sampled_from("abcd")


class Feeding(RuleBasedStateMachine):
    """Workers come, die, work at any speed, run out of memory and answer twice."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(total=60)
        self.now_s = 0.0
        self.done: list[int] = []

    def _tick(self, seconds: float) -> float:
        self.now_s += seconds
        return self.now_s

    @rule(name=NAMES, most=st.integers(1, 16))
    def join(self, name: str, most: int) -> None:
        self.ledger = feed.join(self.ledger, name, most)

    @rule(name=NAMES)
    def die(self, name: str) -> None:
        self.ledger = feed.leave(self.ledger, name)

    @rule(target=held, name=NAMES)
    def lease(self, name: str) -> Lease | None:
        if name not in self.ledger.workers:
            return None
        self.ledger, lease = feed.lease(self.ledger, name, self._tick(0.01))
        return lease

    @rule(lease=held, seconds=st.floats(0, 5))
    def acknowledge(self, lease: Lease | None, seconds: float) -> None:
        """Of a bundle that is not consumed: the same lease may be acknowledged twice."""
        if lease is None:
            return
        self.ledger, accepted = feed.acknowledge(
            self.ledger, lease.worker, lease.number, self._tick(seconds)
        )
        if accepted:
            self.done += range(lease.start, lease.stop)

    @rule(lease=consumes(held))
    def overflow(self, lease: Lease | None) -> None:
        if lease is not None and lease.samples > 1:
            self.ledger = feed.too_big(self.ledger, lease.worker, lease.number)

    @rule()
    def begin_again(self) -> None:
        if self.ledger.finished:
            self.ledger = feed.next_epoch(self.ledger)
            self.done.clear()

    @invariant()
    def every_sample_is_in_one_place(self) -> None:
        places = list(self.done) + list(range(self.ledger.fresh_from, self.ledger.total))
        for start, stop in self.ledger.returned:
            places += range(start, stop)
        for lease in self.ledger.leases.values():
            places += range(lease.start, lease.stop)
            assert lease.worker in self.ledger.workers
        assert sorted(places) == list(range(self.ledger.total))
        assert self.ledger.acknowledged == len(self.done)

    def teardown(self) -> None:
        """Whatever happened, one worker that lives on finishes the epoch."""
        for name in list(self.ledger.workers):
            self.die(name)
        self.join("last", 7)
        while not self.ledger.finished:
            lease = self.lease("last")
            assert lease is not None
            self.acknowledge(lease, 0.1)
        assert sorted(self.done) == list(range(self.ledger.total))


TestFeeding = Feeding.TestCase
TestFeeding.settings = settings(max_examples=40, stateful_step_count=30)
