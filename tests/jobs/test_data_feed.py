"""The feed without Ray: simulated workers of unequal speed on a simulated clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import pytest

from homecluster.jobs.data_feed import WAIT_S, DataFeed


@dataclass
class Simulation:
    """Workers that take so many seconds per sample; time jumps from event to event."""

    feed: DataFeed
    now_s: list[float]
    sample_s: dict[str, float]
    round_trip_s: float = 0.0
    dies_at_s: dict[str, float] = field(default_factory=dict)
    joins_at_s: dict[str, float] = field(default_factory=dict)

    def run(self) -> float:
        """Seconds until the epoch is over."""
        events: list[tuple[float, str, int | None]] = []
        for name in self.sample_s:
            heapq.heappush(events, (self.joins_at_s.get(name, 0.0), name, None))
        joined: set[str] = set()
        while events:
            self.now_s[0], name, done = heapq.heappop(events)
            if self.now_s[0] >= self.dies_at_s.get(name, float("inf")):
                self.feed.gone(name)
                continue
            if name not in joined:
                joined.add(name)
                self.feed.join(name, 10_000, pid=1)
            what, number, start, stop = self.feed.next(name, done)
            if what == "over":
                continue
            busy_s = WAIT_S if what == "wait" else (stop - start) * self.sample_s[name]
            after_s = self.now_s[0] + busy_s + self.round_trip_s
            heapq.heappush(events, (after_s, name, number if what == "work" else None))
        return self.now_s[0]


def simulate(
    samples: int, sample_s: dict[str, float], **events: Any
) -> tuple[float, dict[str, Any]]:
    now_s = [0.0]
    feed = DataFeed(samples, clock=lambda: now_s[0])
    seconds = Simulation(feed=feed, now_s=now_s, sample_s=sample_s, **events).run()
    return seconds, feed.progress()


UNEQUAL = {"a": 0.004, "b": 0.008, "c": 0.016}
SUMMED = sum(1 / each for each in UNEQUAL.values())


def test_workers_of_1_2_4_reach_95_percent_of_their_summed_speeds() -> None:
    seconds, progress = simulate(7000, UNEQUAL, round_trip_s=0.001)
    assert progress["times"] == [1] * 7000
    assert 7000 / seconds >= 0.95 * SUMMED


def test_it_beats_an_equal_split_by_the_expected_factor() -> None:
    """Equal thirds end with the slowest: 7000 / 3 x 16 ms; all together take 7000 / summed."""
    seconds, _ = simulate(7000, UNEQUAL)
    expected = (7000 / 3 * 0.016) / (7000 / SUMMED)
    assert (7000 / 3 * 0.016) / seconds >= 0.95 * expected


def test_samples_are_in_proportion_to_the_speeds() -> None:
    _, progress = simulate(7000, UNEQUAL)
    shares = {name: one["acknowledged"] / 7000 for name, one in progress["workers"].items()}
    assert shares["a"] == pytest.approx(4 / 7, abs=0.02)
    assert shares["c"] == pytest.approx(1 / 7, abs=0.02)


@pytest.mark.parametrize("moment", range(20))
def test_a_worker_that_dies_at_any_moment_costs_no_sample_and_repeats_none(moment: int) -> None:
    _, progress = simulate(500, UNEQUAL, dies_at_s={"a": 0.05 * moment})
    assert progress["times"] == [1] * 500
    assert progress["finished"]


def test_a_worker_that_joins_late_takes_its_part() -> None:
    seconds, progress = simulate(2000, {"a": 0.01, "b": 0.01}, joins_at_s={"b": 4.0})
    assert progress["times"] == [1] * 2000
    assert progress["workers"]["b"]["acknowledged"] > 600
    assert seconds < 13  # alone it takes 20 s; 4 s alone and then half of 1600 each: 12 s


def test_a_late_answer_of_a_worker_thought_dead_is_not_counted() -> None:
    now_s = [0.0]
    feed = DataFeed(4, clock=lambda: now_s[0])
    feed.join("a", 4, pid=1)
    _, number, _, _ = feed.next("a")
    feed.gone("a")
    feed.join("b", 4, pid=2)
    _, other, _, _ = feed.next("b")
    assert feed.next("a", number)[0] == "over"
    assert feed.next("b", other)[0] == "over"
    assert feed.progress()["times"] == [1, 1, 1, 1]


def test_what_does_not_fit_a_device_comes_back_smaller() -> None:
    feed = DataFeed(8, clock=lambda: 0.0)
    feed.join("a", 4, pid=1)
    _, number, _, _ = feed.next("a")
    feed.too_big("a", number)
    _, _, start, stop = feed.next("a")
    assert (start, stop) == (0, 2)


def test_a_second_epoch_hands_everything_out_again() -> None:
    feed = DataFeed(3, clock=lambda: 0.0)
    feed.join("a", 4, pid=1)
    _, number, _, _ = feed.next("a")
    assert feed.next("a", number)[0] == "over"
    feed.next_epoch()
    assert feed.next("a")[0] == "work"
