"""The best copy that uses exactly some given devices: found, and how much better it could at most be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from homecluster.domain.hardware import Device
from homecluster.planner.exact import shapes
from homecluster.planner.exact.bound import Bound
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.cut import good_cut
from homecluster.planner.exact.order import Order
from homecluster.planner.load import Response

_ORDERED_STAGES = 5
"""Up to so many stages every order is tried."""
_WHOLE_SPLITS = 1000
"""Up to so many ways to cut the layers, of those that could be best, are all tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """A copy, as groups in order and their layers."""

    groups: tuple[Group, ...]
    counts: tuple[int, ...]
    response: Response


class Subset:
    """Copies over exactly these devices."""

    def __init__(self, clock: Clock, devices: Sequence[Device]) -> None:
        self.clock, self.devices = clock, devices
        self.found: Best | None = None
        group = shapes.tensor_group(clock.spec, devices)
        if group is not None:
            self._keep(Order(clock, (group,)), (clock.spec.layers,), 0.0)
        made = shapes.pipelines(clock.spec, devices) if len(devices) > 1 else ()
        bounds = ((inside, Bound(clock, _flat(inside), ordered=False)) for inside in made)
        self._shapes = [(inside, least) for inside, least in bounds if least.may_run]
        self._known = (0.0, 0.0)
        """(seconds, requests): proved at most so many within so long."""

    def held(self, time_s: float) -> float:
        """Requests that the copy found so far answers within the time."""
        return self.found.response.inside(time_s) if self.found else 0.0

    def most(self, time_s: float) -> float:
        """Requests that no copy over these devices exceeds within the time."""
        known_s, proved = self._known
        if time_s > known_s:
            proved = math.inf
        possible = max((least.inside(time_s) for _, least in self._shapes), default=0.0)
        return max(self.held(time_s), min(proved, possible))

    def may_exceed(self, requests: float, time_s: float) -> bool:
        """Whether `most` is more than so many, without computing it where that is plain."""
        known_s, proved = self._known
        if self.held(time_s) > requests:
            return True
        if time_s <= known_s and proved <= requests:
            return False
        return any(least.may_exceed(requests, time_s) for _, least in self._shapes)

    @property
    def empty(self) -> bool:
        """No copy over these devices can run."""
        return self.found is None and not self._shapes

    def improve(self, time_s: float, enough: float) -> bool:
        """Search for more requests within the time; False where the search was not exhaustive."""
        whole = True
        ranked = sorted(self._shapes, key=lambda shape: -shape[1].inside(time_s))
        for inside, least in ranked:
            if least.inside(time_s) <= self._target(time_s):
                continue
            whole &= self._try_orders(inside, time_s, enough)
            if self.held(time_s) >= enough:
                return True
        if whole:
            self._known = (time_s, self.held(time_s))
        return whole

    def _target(self, time_s: float) -> float:
        return max(self.held(time_s) * (1 + 1e-9), 1e-9)

    def _try_orders(self, inside: Sequence[list[Group]], time_s: float, enough: float) -> bool:
        stages = sum(map(len, inside))
        whole = stages <= _ORDERED_STAGES
        for groups in shapes.orders(inside) if whole else [_flat(inside)]:
            whole &= self._try_splits(groups, time_s)
            if self.held(time_s) >= enough:
                break
        return whole

    def _try_splits(self, groups: tuple[Group, ...], time_s: float) -> bool:
        """The cut that holds most within the time: best for ever more requests, until none answers them in time."""
        order = Order(self.clock, groups)
        if not self.held(time_s):
            hoped = Bound(self.clock, groups, ordered=True).inside(time_s)
            if hoped > 0:
                self._keep(order, good_cut(order, hoped), time_s)
        while True:
            before = self.held(time_s)
            wanted = max(1.0, self._target(time_s))
            counts, whole = self._split(order, wanted, time_s)
            if counts is not None:
                self._keep(order, counts, time_s)
            if self.held(time_s) <= before:
                if whole:
                    return True
                return not Bound(self.clock, groups, ordered=True).may_exceed(wanted, time_s)

    def _split(
        self, order: Order, requests: float, time_s: float
    ) -> tuple[tuple[int, ...] | None, bool]:
        """A cut of the layers that answers so many requests within the time; without one, whether that is sure.

        Moving one layer at a time finds it for one request, whose time is a sum of what each stage takes.
        For more, every cut is tried whose stages all fit the memory and could each alone keep the pace.
        """
        best = good_cut(order, requests) if requests <= 1 else None
        best_s = math.inf if best is None else order.time_s(best, requests)
        if best_s < math.inf:
            return (best, True) if best_s <= time_s else (None, True)
        cuts = shapes.splits(self.clock.spec.layers, order.most_layers(requests, time_s))
        for counts in islice(cuts, _WHOLE_SPLITS):
            if order.time_s(counts, requests) <= time_s:
                return counts, True
        if next(cuts, None) is None:
            return None, True
        best = good_cut(order, requests)
        return (best if order.time_s(best, requests) <= time_s else None), False

    def _keep(self, order: Order, counts: tuple[int, ...], time_s: float) -> None:
        response = order.response(counts)
        if response is None:
            return
        if self.found is None or response.inside(time_s) > self.held(time_s):
            self.found = Best(groups=order.groups, counts=counts, response=response)


def _flat(inside: Sequence[list[Group]]) -> tuple[Group, ...]:
    return tuple(group for groups in inside for group in groups)
