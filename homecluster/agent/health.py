"""How a member is doing, told from its silence; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from homecluster.agent.limits import BEAT_S, DEAD_S, SUSPECT_S
from homecluster.domain.member import Health

_OWN_LAG_S = 2 * BEAT_S
"""A look that comes this late says that we slept or were starved, not that the others did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """When something last came from a member, on CLOCK_BOOTTIME; None: never since this agent started."""

    at_s: float | None
    has_left: bool = False


def heard_now(heard: Heard, now_s: float) -> Heard:
    return replace(heard, at_s=now_s, has_left=False)


def health_of(heard: Heard, now_s: float) -> Health:
    """Alive, suspect after a few missed heartbeats, dead after more."""
    if heard.has_left:
        return Health.LEFT
    if heard.at_s is None:
        return Health.DEAD
    silent_s = now_s - heard.at_s
    if silent_s >= DEAD_S:
        return Health.DEAD
    return Health.SUSPECT if silent_s >= SUSPECT_S else Health.ALIVE


def forgiven(heard: Heard, *, looked_at_s: float, now_s: float) -> Heard:
    """`heard` as it counts after our own pause: a sleeper must not accuse those who spoke meanwhile."""
    pause_s = now_s - looked_at_s - BEAT_S
    if heard.at_s is None or pause_s < _OWN_LAG_S:
        return heard
    return replace(heard, at_s=min(now_s, heard.at_s + pause_s))
