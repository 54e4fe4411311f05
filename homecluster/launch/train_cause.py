"""Why a training over several PCs cannot go on, from what its shares say: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.job import Failed, JobState, is_over
from homecluster.launch.gang_cause import is_echo
from homecluster.launch.gang_step import SILENT_LIMIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of another PC's share."""

    name: str
    state: JobState
    code: int | None = None
    """How its ranks ended; negative: by that signal. None: they run, or their owner is gone too."""
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A PC is gone or its ranks were killed: the others can go on from a checkpoint."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """It would fail again: wrong data, a full disk, a mistake."""

    name: str
    reason: str
    code: int


def cause_of(shares: Sequence[Seen]) -> Lost | Broken | None:
    """The share that explains; one that only noticed that another was gone explains nothing."""
    for one in shares:
        if one.silent_s >= SILENT_LIMIT_S:
            return Lost(
                name=one.name, reason=f"{one.name} has not answered for {one.silent_s:.0f} s"
            )
        if isinstance(one.state, Failed) and (one.code is None or one.code < 0):
            return Lost(name=one.name, reason=one.state.reason)
    for one in shares:
        if isinstance(one.state, Failed) and one.code and not is_echo(one.state.reason):
            return Broken(name=one.name, reason=one.state.reason, code=one.code)
    return None


def all_over(shares: Sequence[Seen]) -> bool:
    return all(is_over(one.state) for one in shares)
