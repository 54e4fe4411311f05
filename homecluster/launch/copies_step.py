"""What several copies of a model are together: starting, serving, or failed; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, JobState, Starting

MOST_STARTS = 3
"""Of one copy: an engine that ends again and again has a reason that a further start does not mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyNow:
    """One copy as its PC last told, and as the router sees it."""

    name: str
    node: NodeId
    phase: str = "asked to start"
    serves: bool = False
    """It gave a token through the router's own way to it."""
    has_served: bool = False
    failure: str | None = None
    """Why it is over; it may be started again."""
    log_tail: tuple[str, ...] = ()
    starts: int = 1
    can_be_asked: bool = True
    """False while its PC does not answer."""

    @property
    def is_lost(self) -> bool:
        """It failed and is not started again."""
        return self.failure is not None and not self.may_start_again

    @property
    def may_start_again(self) -> bool:
        """Only what served before: a first start that fails is told to the user at once."""
        return self.failure is not None and self.has_served and self.starts < MOST_STARTS


def word(copies: Sequence[CopyNow], *, fewer: bool) -> JobState | None:
    """What the whole start is now; None once it serves.

    Args:
        copies: all that were ordered.
        fewer: the user takes what comes up, as long as one does.
    """
    lost = [one for one in copies if one.is_lost]
    if lost and (not fewer or len(lost) == len(copies)):
        return _failed(lost[0])
    if all(one.serves or one.is_lost for one in copies):
        return None
    return Starting(phase=progress(copies))


def later_word(copies: Sequence[CopyNow]) -> Failed | None:
    """Why a job that served is over: no copy is left that could; None while one is."""
    lost = [one for one in copies if one.is_lost]
    return _failed(lost[-1]) if len(lost) == len(copies) else None


def progress(copies: Sequence[CopyNow]) -> str:
    """`a: loading weights; b: ready`: every copy's own phase, so that slow never looks like stuck."""
    return "; ".join(f"{one.name}: {_phase(one)}" for one in copies)


def _phase(one: CopyNow) -> str:
    if one.serves:
        return "ready"
    if one.failure is not None:
        return "failed"
    return one.phase if one.can_be_asked else "does not answer"


def _failed(one: CopyNow) -> Failed:
    reason = f"the copy {one.name} failed: {one.failure}"
    return Failed(node=one.node, reason=reason, log_tail=one.log_tail)
