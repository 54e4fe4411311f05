"""From which link on two PCs are as fast as the best single one: the search, and its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homecluster.domain.plan import BreakEven, BreakEvenState
from homecluster.domain.units import format_link_rate, format_seconds
from homecluster.planner.threshold import largest_that_wins

NEVER: Final = BreakEven(state=BreakEvenState.NEVER, rtt_s=None, bandwidth_bytes_per_s=None)
ALWAYS: Final = BreakEven(state=BreakEvenState.ALWAYS, rtt_s=None, bandwidth_bytes_per_s=None)

_FASTEST_RTT_S, SLOWEST_RTT_S = 1e-6, 100.0
SLOWEST_RATE, _FASTEST_RATE = 1e2, 1e13
"""Bytes per second."""

Wins = Callable[[float | None, float | None], bool]
"""Whether two PCs win at a round trip (s) and a bandwidth (bytes/s); None leaves one as it is."""


def by_link(wins: Wins) -> BreakEven:
    """The longest round trip at this bandwidth, and the least bandwidth at this round trip, that win."""
    if not wins(_FASTEST_RTT_S, _FASTEST_RATE):
        return NEVER
    if wins(SLOWEST_RTT_S, SLOWEST_RATE):
        return ALWAYS
    slowest_rtt_s = largest_that_wins(
        lambda rtt_s: wins(rtt_s, None), _FASTEST_RTT_S, SLOWEST_RTT_S
    )
    inverse = largest_that_wins(
        lambda value: wins(None, 1 / value), 1 / _FASTEST_RATE, 1 / SLOWEST_RATE
    )
    return BreakEven(
        state=BreakEvenState.AT,
        rtt_s=slowest_rtt_s,
        bandwidth_bytes_per_s=None if inverse is None else 1 / inverse,
    )


def thresholds(even: BreakEven) -> str:
    """`a round trip of 1 ms or less at this bandwidth or …`; empty where neither alone would do."""
    ways = []
    if even.rtt_s is not None:
        ways.append(f"a round trip of {format_seconds(even.rtt_s)} or less at this bandwidth")
    if even.bandwidth_bytes_per_s is not None:
        ways.append(f"{format_link_rate(even.bandwidth_bytes_per_s)} or more at this round trip")
    return " or ".join(ways)
