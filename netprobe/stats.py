"""What a list of samples says: quantiles, the rate after the warm-up, whether it is steady, the grade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GRADE_SCALE: Final = "dslreports"
_GRADES: Final = ((0.005, "A+"), (0.030, "A"), (0.060, "B"), (0.200, "C"), (0.400, "D"))
"""Increase of the round trip under load below which the grade is given, seconds."""

_WARM_UP_SHARE: Final = 0.85
"""A leading sample below this share of the later median still belongs to slow start."""
_STEADY_ERROR: Final = 0.025
"""Standard error of the mean: two of them make the 5 % that a figure may be off."""
_STEADY_DRIFT: Final = 0.10
_MIN_SAMPLES: Final = 4
_BLOCKS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Mean of the samples after the warm-up, and whether it may be believed."""

    bytes_per_s: float
    steady: bool


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` of the samples lie, linearly interpolated.

    Assumes at least one sample and 0 <= share <= 1.
    """
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    if ordered[low] == ordered[high]:
        return ordered[low]  # interpolating equals would round
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def settled(rates: Sequence[float], *, skip: int = 0) -> tuple[float, ...]:
    """The samples without the first `skip` and without what still rises after them."""
    return tuple(_after_warm_up(rates[skip:] or rates))


def steady_rate(kept: Sequence[float]) -> Rate:
    """The mean rate of equally long samples.

    Steady means: the standard error of the mean is at most 2.5 % of it and the halves differ by
    at most 10 %. Too few samples are never steady.
    """
    if not kept:
        return Rate(bytes_per_s=0.0, steady=False)
    mean = math.fsum(kept) / len(kept)
    if len(kept) < _MIN_SAMPLES or mean <= 0:
        return Rate(bytes_per_s=mean, steady=False)
    blocks = _blocks(kept)
    variance = math.fsum((rate - mean) ** 2 for rate in blocks) / (len(blocks) - 1)
    error = math.sqrt(variance / len(blocks)) / mean
    half = len(kept) // 2
    drift = abs(math.fsum(kept[:half]) - math.fsum(kept[-half:])) / (half * mean)
    return Rate(bytes_per_s=mean, steady=error <= _STEADY_ERROR and drift <= _STEADY_DRIFT)


def _blocks(rates: Sequence[float]) -> Sequence[float]:
    """Means of neighbours: a late timer takes from one sample what it gives to the next."""
    size = max(1, len(rates) // _BLOCKS)
    count = len(rates) // size
    return [math.fsum(rates[one * size : (one + 1) * size]) / size for one in range(count)]


def _after_warm_up(rates: Sequence[float]) -> Sequence[float]:
    half = len(rates) // 2
    if half == 0:
        return rates
    settled = quantile(rates[half:], 0.5)
    start = 0
    while start < half and rates[start] < _WARM_UP_SHARE * settled:
        start += 1
    return rates[start:]


def bufferbloat_grade(increase_s: float) -> str:
    """A+ to F on the dslreports scale, from how much longer a round trip takes under load."""
    return next((grade for limit_s, grade in _GRADES if increase_s < limit_s), "F")
