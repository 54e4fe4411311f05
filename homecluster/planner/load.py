"""How requests spread over several copies, and how long each then takes.

A router that sends every request to where it is answered soonest makes all busy copies equally slow, so that
each gets requests in proportion to what it delivers. With T the time that a request spends in a copy and
n_i(T) the requests that copy i then holds, T is the least time with

    sum n_i(T) >= N            a closed loop of N clients
    sum n_i(T) >= rate * T     requests that arrive at a rate (Little's law)

Because a slower device only lowers n_i(T), no set of copies gets faster when one of its devices gets slower.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homecluster.domain.workload import Serve

_Demand = Callable[[float], float]
"""Requests that must find a place, by the time each then takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How long a request stays in one copy that holds a given number of them: straight lines between knots."""

    requests: tuple[float, ...]
    """Ascending, from 1."""
    time_s: tuple[float, ...]
    """Never falls."""

    def inside(self, time_s: float) -> float:
        """Most requests that are each answered within `time_s`; beyond the last knot at its rate."""
        if time_s < self.time_s[0]:
            return 0.0
        if time_s >= self.time_s[-1]:
            return self.requests[-1] * time_s / self.time_s[-1]
        right = bisect_right(self.time_s, time_s)
        n0, n1 = self.requests[right - 1], self.requests[right]
        t0, t1 = self.time_s[right - 1], self.time_s[right]
        return n0 + (n1 - n0) * (time_s - t0) / (t1 - t0)

    def before(self, time_s: float) -> float:
        """The same for any shorter time, however near: many answered together begin to count at their time."""
        first = bisect_left(self.time_s, time_s)
        if first == 0:
            return 0.0
        if first < len(self.time_s) and self.time_s[first] == time_s:
            return self.requests[first]
        return self.inside(time_s)

    @property
    def most_per_s(self) -> float:
        """Requests per second at the last knot."""
        return self.requests[-1] / self.time_s[-1]


def response(knots: Sequence[tuple[float, float]]) -> Response:
    """From (requests, seconds), ascending by requests; a time that falls is raised to the one before it."""
    times: list[float] = []
    for _, time_s in knots:
        times.append(max(time_s, times[-1]) if times else time_s)
    return Response(requests=tuple(n for n, _ in knots), time_s=tuple(times))


def closed_time_s(copies: Sequence[Response], clients: float) -> float:
    """The least time within which the copies hold `clients` requests."""
    time_s = _first(copies, lambda _: clients)
    assert time_s is not None  # beyond the last knot a copy holds ever more
    return time_s


def open_time_s(copies: Sequence[Response], rate_per_s: float) -> float | None:
    """The least time at which the copies keep up with `rate_per_s`; None where they never do."""
    return _first(copies, lambda time_s: rate_per_s * time_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How requests lie on several copies."""

    held: tuple[tuple[int, float], ...]
    """(copy, requests in it on average), of the copies that have any."""
    requests_per_s: float


def spread(copies: Sequence[Response], workload: Serve) -> Spread:
    """Where the workload's requests go, and how many are answered per second."""
    clients, rate_per_s = workload.concurrent_requests, workload.request_rate_per_s
    if rate_per_s is None:
        time_s = closed_time_s(copies, clients)
        return _within(copies, time_s, clients / time_s)
    kept_up_s = open_time_s(copies, rate_per_s)
    if kept_up_s is None:  # every copy is full, and the queue grows without end
        full = tuple((i, one.requests[-1]) for i, one in enumerate(copies))
        return Spread(held=full, requests_per_s=sum(one.most_per_s for one in copies))
    return _within(copies, kept_up_s, rate_per_s)


def _within(copies: Sequence[Response], time_s: float, requests_per_s: float) -> Spread:
    """What each copy holds at this time; copies that begin at it hold no more than there are."""
    held = [one.inside(time_s) for one in copies]
    extra = sum(held) / (requests_per_s * time_s)
    busy = tuple((i, requests / extra) for i, requests in enumerate(held) if requests > 0)
    return Spread(held=busy, requests_per_s=requests_per_s)


def _first(copies: Sequence[Response], demand: _Demand) -> float | None:
    """The least time at which the requests inside meet `demand`, a straight line through time."""
    breaks = sorted({time_s for one in copies for time_s in one.time_s})
    before: tuple[float, float] | None = None
    for time_s in breaks:
        lacking = demand(time_s) - _held(copies, time_s)
        if lacking <= 0:
            return _between(copies, before, time_s, demand)
        before = (time_s, lacking)
    assert before is not None
    last_s, lacking = before
    further = demand(2 * last_s) - _held(copies, 2 * last_s)
    if further >= lacking:
        return None
    return last_s + last_s * lacking / (lacking - further)


def _between(
    copies: Sequence[Response], before: tuple[float, float] | None, time_s: float, demand: _Demand
) -> float:
    """Where the demand is met between two breaks; at the latter if only what begins there meets it."""
    if before is None:
        return time_s
    earlier_s, lacked = before
    lacking = demand(time_s) - sum(one.before(time_s) for one in copies)
    if lacking >= 0 or lacking >= lacked:
        return time_s
    return earlier_s + (time_s - earlier_s) * lacked / (lacked - lacking)


def _held(copies: Sequence[Response], time_s: float) -> float:
    return sum(one.inside(time_s) for one in copies)
