"""Whether two versions understand each other, and which side to upgrade; pure."""

from __future__ import annotations

from homecluster.agent.limits import NEWEST_PROTOCOL, OLDEST_PROTOCOL


def outdated_side(oldest: int, newest: int, *, far: str) -> str | None:
    """The sentence for the user when the far side's range and ours do not meet; None when they do."""
    ours, theirs = _span(OLDEST_PROTOCOL, NEWEST_PROTOCOL), _span(oldest, newest)
    if newest < OLDEST_PROTOCOL:
        outdated = far
    elif oldest > NEWEST_PROTOCOL:
        outdated = "this PC"
    else:
        return None
    return (
        f"this PC speaks protocol {ours}, {far} speaks {theirs}: upgrade homecluster on {outdated}"
    )


def told_to_far(oldest: int, newest: int) -> str | None:
    """The same, in words for the far side's user."""
    ours, theirs = _span(OLDEST_PROTOCOL, NEWEST_PROTOCOL), _span(oldest, newest)
    if newest < OLDEST_PROTOCOL:
        outdated = "your PC"
    elif oldest > NEWEST_PROTOCOL:
        outdated = "the coordinator"
    else:
        return None
    return f"this cluster speaks protocol {ours}, you speak {theirs}: upgrade homecluster on {outdated}"


def _span(oldest: int, newest: int) -> str:
    return str(newest) if oldest == newest else f"{oldest} to {newest}"
