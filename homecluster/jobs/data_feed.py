"""An elastic distributor of samples on Ray: workers ask for as much as they are quick, and may die or join.

The ledger (`feed_ledger`) decides; here it becomes a Ray actor, with the loop that each worker runs and the
watch that notices a death. Runs inside the engine environment:

    feed = ray.remote(DataFeed).remote(len(data))
    worker = ray.remote(FeedWorker).remote("desk", feed, most_samples=32, work=train_on)
    watch(feed, {"desk": worker})

`work(start, stop)` gets positions of the epoch's order. It may raise `TooManySamplesError` where they do not
fit the device's memory: they come back in halves. Each sample is acknowledged exactly once; it is carried out
once more where a worker died after the work and before its word, so effects should go out with the word.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from homecluster.jobs import feed_ledger
from homecluster.jobs.feed_ledger import Ledger

WAIT_S: Final = 0.05
"""Between two questions of a worker for whom nothing is left while others still work."""

Work = Callable[[int, int], None]
Answer = tuple[str, int, int, int]
"""("work", lease, start, stop), ("wait", 0, 0, 0) or ("over", 0, 0, 0)."""


class TooManySamplesError(Exception):
    """The device's memory does not hold so many samples at once."""


class DataFeed:
    """The ledger behind a door; one method call is one change."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = Ledger(total=total)
        self._clock = clock
        self._times = [0] * total
        """How often each sample was acknowledged: counted apart from the ledger, which it checks."""
        self._pids: dict[str, int] = {}

    def join(self, name: str, most_samples: int, pid: int) -> None:
        self._ledger = feed_ledger.join(self._ledger, name, most_samples)
        self._pids[name] = pid

    def gone(self, name: str) -> None:
        """What it had not acknowledged goes to the others."""
        self._ledger = feed_ledger.leave(self._ledger, name)

    def next(self, name: str, done: int | None = None) -> Answer:
        """Acknowledge lease `done`, if one is named, and take the next: one round trip for both."""
        now_s = self._clock()
        held = self._ledger.leases.get(done) if done is not None else None
        if done is not None:
            self._ledger, accepted = feed_ledger.acknowledge(self._ledger, name, done, now_s)
            if accepted and held is not None:
                for position in range(held.start, held.stop):
                    self._times[position] += 1
        if self._ledger.finished or name not in self._ledger.workers:
            return ("over", 0, 0, 0)
        self._ledger, lease = feed_ledger.lease(self._ledger, name, now_s)
        if lease is None:
            return ("wait", 0, 0, 0)
        return ("work", lease.number, lease.start, lease.stop)

    def too_big(self, name: str, number: int) -> None:
        self._ledger = feed_ledger.too_big(self._ledger, name, number)

    def next_epoch(self) -> None:
        self._ledger = feed_ledger.next_epoch(self._ledger)

    def progress(self) -> dict[str, Any]:
        """For people and for checks: what is done, by whom, how fast."""
        ledger = self._ledger
        return {
            "total": ledger.total,
            "acknowledged": ledger.acknowledged,
            "refused": ledger.refused,
            "finished": ledger.finished,
            "times": list(self._times),
            "workers": {
                name: asdict(worker) | {"pid": self._pids[name]}
                for name, worker in ledger.workers.items()
            },
        }


class FeedWorker:
    """One device's loop: ask, work, tell."""

    def __init__(self, name: str, feed: Any, most_samples: int, work: Work) -> None:
        self._name = name
        self._feed = feed  # a Ray actor handle, which has no type
        self._most = most_samples
        self._work = work

    def run(self) -> int:
        """Samples that counted, once the epoch is over."""
        import ray

        ray.get(self._feed.join.remote(self._name, self._most, os.getpid()))
        done: int | None = None
        counted = 0
        while True:
            what, number, start, stop = ray.get(self._feed.next.remote(self._name, done))
            done = None
            if what == "over":
                return counted
            if what == "wait":
                time.sleep(WAIT_S)
                continue
            try:
                self._work(start, stop)
            except TooManySamplesError:
                ray.get(self._feed.too_big.remote(self._name, number))
                continue
            done = number
            counted += stop - start


def watch(
    feed: Any,
    workers: Mapping[str, Any],
    replaced: Callable[[str], Mapping[str, Any]] = lambda _name: {},
) -> tuple[str, ...]:
    """Run the workers until the epoch is over; the names of those that died on the way.

    `replaced` is called with the name of each that died: workers it returns join in its place.
    An error of the work itself (not a death) is raised as it is.
    """
    import ray
    from ray.exceptions import RayActorError

    running = {worker.run.remote(): name for name, worker in workers.items()}
    died: list[str] = []
    while running:
        (one,), _ = ray.wait(list(running))
        name = running.pop(one)
        try:
            ray.get(one)
        except RayActorError:
            died.append(name)
            ray.get(feed.gone.remote(name))
            running |= {new.run.remote(): its for its, new in replaced(name).items()}
    return tuple(died)
