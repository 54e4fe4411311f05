"""Who works on which samples of an epoch: leases, acknowledgements, and what becomes of a worker that dies.

Pure: the clock is an argument and every change is a new ledger. Each sample is acknowledged exactly once per
epoch, whatever dies or joins: it is either never leased yet, or on one lease, or returned to be leased again,
or acknowledged; only the holder of the lease may acknowledge it, and a lease that was taken away is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeVar

LEASE_S: Final = 1.0
"""Work that one lease should take: short enough to adapt, long against a round trip at home."""
FIRST_SAMPLES: Final = 4
"""For a worker whose speed nobody knows yet."""
TAIL_PARTS: Final = 2
"""Near the end a worker gets at most this part of its share of what is left, so that all finish together."""
NEWEST_WEIGHT: Final = 0.5
"""Of the last lease in the running mean of a worker's speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What is known of a living worker."""

    most_samples: int
    """That its memory holds at once."""
    samples_per_s: float | None = None
    acknowledged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Samples `start` to `stop` of the epoch's order, with one worker until it acknowledges or is gone."""

    number: int
    worker: str
    start: int
    stop: int
    given_at_s: float

    @property
    def samples(self) -> int:
        return self.stop - self.start


Span = tuple[int, int]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """One epoch over `total` samples."""

    total: int
    fresh_from: int = 0
    """Samples from here on were never leased."""
    returned: tuple[Span, ...] = ()
    """Of dead workers and refused leases; they go out again first."""
    leases: Mapping[int, Lease] = field(default_factory=lambda: MappingProxyType({}))
    workers: Mapping[str, Worker] = field(default_factory=lambda: MappingProxyType({}))
    acknowledged: int = 0
    next_number: int = 0
    refused: int = 0
    """Acknowledgements that came too late, of leases taken away."""

    @property
    def waiting(self) -> int:
        """Samples that nobody works on."""
        return self.total - self.fresh_from + sum(stop - start for start, stop in self.returned)

    @property
    def finished(self) -> bool:
        return self.acknowledged == self.total


def join(ledger: Ledger, name: str, most_samples: int) -> Ledger:
    """A worker comes; one of the same name that was here before loses its leases first."""
    if most_samples < 1:
        raise ValueError(f"{name} holds no sample at all")
    known = leave(ledger, name) if name in ledger.workers else ledger
    return replace(known, workers=_with(known.workers, name, Worker(most_samples=most_samples)))


def leave(ledger: Ledger, name: str) -> Ledger:
    """A worker is gone: what it had not acknowledged is leased again."""
    lost = tuple((one.start, one.stop) for one in ledger.leases.values() if one.worker == name)
    return replace(
        ledger,
        returned=(*ledger.returned, *lost),
        leases=_only({n: one for n, one in ledger.leases.items() if one.worker != name}),
        workers=_only({other: it for other, it in ledger.workers.items() if other != name}),
    )


def lease(ledger: Ledger, name: str, now_s: float) -> tuple[Ledger, Lease | None]:
    """The next samples for this worker; None while others hold all that is left."""
    if not ledger.waiting:
        return ledger, None
    wanted = _wanted(ledger, name)
    if ledger.returned:
        (start, stop), *rest = ledger.returned
        end = min(stop, start + wanted)
        left = ((end, stop), *rest) if end < stop else tuple(rest)
        after = replace(ledger, returned=left)
    else:
        start, end = ledger.fresh_from, min(ledger.total, ledger.fresh_from + wanted)
        after = replace(ledger, fresh_from=end)
    given = Lease(number=ledger.next_number, worker=name, start=start, stop=end, given_at_s=now_s)
    leases = _with(after.leases, given.number, given)
    return replace(after, leases=leases, next_number=given.number + 1), given


def acknowledge(ledger: Ledger, name: str, number: int, now_s: float) -> tuple[Ledger, bool]:
    """The samples of a lease are done; False: the lease is not this worker's (any more), so its work must not count."""
    held = ledger.leases.get(number)
    if held is None or held.worker != name:
        return replace(ledger, refused=ledger.refused + 1), False
    worker = ledger.workers[name]
    took_s = max(now_s - held.given_at_s, 1e-9)
    known = replace(
        worker,
        samples_per_s=_mean_speed(worker.samples_per_s, held.samples / took_s),
        acknowledged=worker.acknowledged + held.samples,
    )
    return replace(
        ledger,
        leases=_only({n: one for n, one in ledger.leases.items() if n != number}),
        workers=_with(ledger.workers, name, known),
        acknowledged=ledger.acknowledged + held.samples,
    ), True


def too_big(ledger: Ledger, name: str, number: int) -> Ledger:
    """A lease did not fit the worker's memory: it goes back, and the worker gets half as many from now on.

    Raises:
        ValueError: one sample was too many.
    """
    held = ledger.leases.get(number)
    if held is None or held.worker != name:
        return ledger
    if held.samples == 1:
        raise ValueError(f"not even one sample fits the memory of {name}")
    worker = replace(ledger.workers[name], most_samples=held.samples // 2)
    return replace(
        ledger,
        returned=(*ledger.returned, (held.start, held.stop)),
        leases=_only({n: one for n, one in ledger.leases.items() if n != number}),
        workers=_with(ledger.workers, name, worker),
    )


def next_epoch(ledger: Ledger) -> Ledger:
    """The same workers with the speeds they showed, and all samples again."""
    assert ledger.finished
    workers = {name: replace(one, acknowledged=0) for name, one in ledger.workers.items()}
    return Ledger(
        total=ledger.total,
        workers=_only(workers),
        next_number=ledger.next_number,
        refused=ledger.refused,
    )


def _wanted(ledger: Ledger, name: str) -> int:
    """`LEASE_S` of work at the measured speed, less near the end, and never more than memory holds."""
    worker = ledger.workers[name]
    if worker.samples_per_s is None:
        return min(FIRST_SAMPLES, worker.most_samples)
    speeds = [one.samples_per_s or worker.samples_per_s for one in ledger.workers.values()]
    share = ledger.waiting * worker.samples_per_s / sum(speeds)
    wanted = min(worker.samples_per_s * LEASE_S, math.ceil(share / TAIL_PARTS))
    return max(1, min(round(wanted), worker.most_samples))


def _mean_speed(before: float | None, newest: float) -> float:
    return newest if before is None else before + NEWEST_WEIGHT * (newest - before)


def _with(known: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**known, key: value})


def _only(kept: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(kept)
