"""The best set of copies over a few devices, with a bound on how much better any other could be.

For a time T, every copy holds n(T) requests that it answers within T, and copies on disjoint devices add up. A
set of copies answers the load within T exactly when their sum reaches the demand (`planner.load`). So the least T
is sought: the most requests that any packing of the devices could hold is a sum over subsets (dynamic
programming over 2^k masks), first with bounds, then with the copies that a search over a subset really finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from homecluster.domain.hardware import Device
from homecluster.planner.exact.subset import Best, Subset
from homecluster.planner.load import closed_time_s, open_time_s

MOST_DEVICES: Final = 8
TOLERANCE: Final = 1e-3
"""Layouts that are closer than this are as good as one another."""
_BISECTIONS: Final = 9
_FILLING: Final = 100
"""What one look at all packings costs, in copies timed."""
_LEAST: Final = 1e-12
"""Requests that do not count."""

Demand = Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Copies over disjoint devices, and what is proved about them."""

    copies: tuple[Best, ...]
    time_s: float
    """Of a request, with the load spread over the copies."""
    least_s: float
    """No set of copies answers a request sooner."""


class Packing:
    """Sets of copies over `devices`; subsets that cannot hold a copy are left out by the caller."""

    def __init__(
        self,
        devices: Sequence[Device],
        subsets: dict[int, Subset],
        *,
        clients: float | None,
        rate_per_s: float | None,
        work: int,
    ) -> None:
        self._subsets, self._full = subsets, (1 << len(devices)) - 1
        self._clients, self._rate_per_s = clients, rate_per_s
        self._work_left = work

    def best(self, incumbent_s: float) -> Packed:
        """Copies that answer sooner than `incumbent_s`, or none where that is proved best."""
        copies: tuple[Best, ...] = ()
        time_s = incumbent_s
        while True:
            goal_s = time_s * (1 - TOLERANCE)
            chosen = self._fill(goal_s)
            self._work_left -= _FILLING
            if chosen is None:
                return Packed(copies=copies, time_s=time_s, least_s=goal_s)
            better = self._better(chosen, goal_s)
            learned = better is None and self._search(chosen, goal_s)
            better = better or self._better(chosen, goal_s)
            if better is None and not learned:  # what was found may pack better than what was hoped
                better = self._better(self._fill(goal_s, hoping=False) or [], goal_s)
            if better is not None:
                time_s, copies = better
            elif not learned:
                return Packed(copies=copies, time_s=time_s, least_s=self._least(time_s))

    def _better(
        self, chosen: Sequence[int], goal_s: float
    ) -> tuple[float, tuple[Best, ...]] | None:
        """The copies found so far on the chosen subsets, if they reach the goal."""
        really = self._really(chosen)
        return really if really is not None and really[0] <= goal_s else None

    def _really(self, chosen: Sequence[int]) -> tuple[float, tuple[Best, ...]] | None:
        """The time of the copies found so far on the chosen subsets."""
        found = tuple(best for mask in chosen if (best := self._subsets[mask].found) is not None)
        if not found:
            return None
        responses = [best.response for best in found]
        if self._clients is not None:
            return closed_time_s(responses, self._clients), found
        assert self._rate_per_s is not None
        time_s = open_time_s(responses, self._rate_per_s)
        return None if time_s is None else (time_s, found)

    def _search(self, chosen: Sequence[int], goal_s: float) -> bool:
        """Search the chosen subsets whose bound is not yet met; False where nothing more can be learned."""
        learned = False
        for mask in chosen:
            subset = self._subsets[mask]
            before = subset.most(goal_s), subset.held(goal_s)
            if before[0] <= before[1] * (1 + 1e-9) or self._work_left <= 0:
                continue
            asked = subset.clock.asked
            subset.improve(goal_s, self._demand(goal_s))
            self._work_left -= subset.clock.asked - asked
            learned |= (subset.most(goal_s), subset.held(goal_s)) != before
        return learned

    def _demand(self, time_s: float) -> float:
        if self._clients is not None:
            return self._clients
        assert self._rate_per_s is not None
        return self._rate_per_s * time_s

    def _fill(self, time_s: float, *, hoping: bool = True) -> list[int] | None:
        """Subsets that might hold the whole demand within the time, or do; None where no packing can."""
        most = [0.0] * (self._full + 1)
        taken = [0] * (self._full + 1)
        useful: dict[int, list[tuple[int, float]]] = {}
        """By lowest device, the subsets that may hold more than all of their partitions."""
        for free in range(1, self._full + 1):
            low = free & -free
            mine = useful.setdefault(low, [])
            best, choice = most[free ^ low], 0
            for mask, weight in mine:
                if mask & free == mask and weight + most[free ^ mask] > best + _LEAST:
                    best, choice = weight + most[free ^ mask], mask
            subset = self._subsets.get(free)
            if subset is not None and (
                subset.may_exceed(best + _LEAST, time_s)
                if hoping
                else subset.held(time_s) > best + _LEAST
            ):
                best, choice = subset.most(time_s) if hoping else subset.held(time_s), free
                mine.append((free, best))
            most[free], taken[free] = best, choice
        if most[self._full] < self._demand(time_s) * (1 - 1e-9):
            return None
        return _trace(taken, self._full)

    def _least(self, time_s: float) -> float:
        """The least time at which the bounds still allow a packing."""
        low, high = time_s / 2, time_s
        if self._fill(low) is not None:
            low = 0.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if self._fill(middle) is None:
                low = middle
            else:
                high = middle
        return low


def _trace(taken: Sequence[int], full: int) -> list[int]:
    chosen, free = [], full
    while free:
        if taken[free]:
            chosen.append(taken[free])
            free ^= taken[free]
        else:
            free ^= free & -free
    return chosen
