"""Requests per second that no layout over some devices exceeds, however many they are.

N requests are in flight. To answer r of them per second, y_d of the layers that they must pass are passed on device
d, with the sum of y_d = L r. A layer that is passed in a batch of b takes a request

    q(b) = decodes x (A + B b) + P + X

seconds: A + B b for each token, P for its prompt, X its part of what no device does (hand-overs, the host). So

    N >= sum over d of y_d q(b_d),    y_d <= b_d / (decodes x (A + B b_d) + P b_d),    y_d <= m_d r

because a device computes one batch at a time, and in no request's copy holds more layers than its memory m_d. The
least sum of y q for a given r is a convex problem; its dual, for every price of a layer, says what r is impossible.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from homecluster.domain.hardware import Device
from homecluster.planner import rules
from homecluster.planner.allowance import Allowance
from homecluster.planner.device_use import Use
from homecluster.planner.estimate import Estimator

_PRICES: Final = tuple(1.2**turn for turn in range(40))
"""Of a layer, in times of what it takes on the quickest device."""
_WIDEST: Final = 1e6
_NEAR: Final = 1.001
"""The bound is found to so much."""


def most_requests_per_s(estimator: Estimator, devices: Sequence[Device]) -> float:
    """An upper bound; 0 where no device can run the model's arithmetic. Cost: one look at each kind of device."""
    able = [device for device in devices if not rules.refuse_device(estimator.spec, device)]
    if not able:
        return 0.0
    asked, allowance = estimator.workload, Allowance(estimator, able)
    kinds = Counter(allowance.uses(device) for device in able)
    most = sum(
        count * max((use.most_per_s for use in uses), default=0.0) for uses, count in kinds.items()
    )
    layers = estimator.spec.layers
    most /= layers
    if most <= 0:
        return 0.0
    if asked.request_rate_per_s is not None:
        return min(most, asked.request_rate_per_s)
    return _reachable(kinds, layers, most, float(asked.concurrent_requests))


def _reachable(kinds: Counter[tuple[Use, ...]], layers: int, most: float, requests: float) -> float:
    """The least rate, of at most `most` per second, for which some price shows that more must be in flight."""
    quickest_s = min(use.alone_s for uses in kinds for use in uses)
    low, useful = most / _WIDEST, 0
    while most / low > _NEAR:
        middle = math.sqrt(low * most)
        turns = sorted(range(len(_PRICES)), key=lambda turn: abs(turn - useful))
        impossible = (
            turn
            for turn in turns
            if _needed(kinds, layers, middle, quickest_s * _PRICES[turn]) > requests
        )
        found = next(impossible, None)
        if found is None:
            low = middle
        else:
            most, useful = middle, found
    return most


def _needed(
    kinds: Counter[tuple[Use, ...]], layers: int, rate_per_s: float, price_s: float
) -> float:
    """Requests that must be in flight at least, as a price of a layer shows."""
    earned = sum(
        count * max((use.gain(price_s, rate_per_s) for use in uses), default=0.0)
        for uses, count in kinds.items()
    )
    return price_s * layers * rate_per_s - earned
