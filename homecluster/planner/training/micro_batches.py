"""How many samples of a micro-step each device takes, so that unlike devices finish together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_HALVINGS: Final = 24
"""To a ten-millionth of the time; whatever is then too much is taken back sample by sample."""
_EDGE: Final = 1e-9


def split(
    samples: int, sample_s: Sequence[float], fixed_s: Sequence[float], most: Sequence[int]
) -> tuple[int, ...] | None:
    """Samples per device with the shortest time of the slowest, every device at least one; None if impossible.

    Args:
        samples: to share out.
        sample_s: seconds that each device takes per sample.
        fixed_s: seconds that each takes whatever the number.
        most: samples that each device's memory holds.

    The time that is just long enough is found by halving; what it gives too much is taken from
    whoever would finish last.
    """
    count = len(sample_s)
    if samples < count or min(most) < 1 or sum(most) < samples:
        return None
    if count == 1:
        return (samples,)
    low, high = 0.0, max(f + s * samples for f, s in zip(fixed_s, sample_s, strict=True))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(_within(middle, sample_s, fixed_s, most)) >= samples:
            high = middle
        else:
            low = middle
    counts = _within(high, sample_s, fixed_s, most)
    while sum(counts) > samples:
        last = max(
            (i for i in range(count) if counts[i] > 1),
            key=lambda i: fixed_s[i] + sample_s[i] * counts[i],
        )
        counts[last] -= 1
    return tuple(counts)


def accumulations(global_batch: int) -> tuple[int, ...]:
    """Micro-steps that divide the batch into equal parts, few first."""
    return tuple(n for n in range(1, global_batch + 1) if global_batch % n == 0)


def _within(
    limit_s: float, sample_s: Sequence[float], fixed_s: Sequence[float], most: Sequence[int]
) -> list[int]:
    """Samples that each device finishes in `limit_s`, at least one and at most what it holds."""
    return [
        max(1, min(cap, int((limit_s - fixed) / each + _EDGE)))
        for each, fixed, cap in zip(sample_s, fixed_s, most, strict=True)
    ]
