"""What the leader of a gang does next: a pure step machine over the shares of all its PCs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, JobState, Running, Starting, Stopped, is_over
from homecluster.launch.gang_cause import better_cause
from homecluster.launch.gang_events import (
    Accepted,
    Act,
    Event,
    Finish,
    Record,
    Refused,
    Silent,
    Start,
    StartTooLong,
    Stop,
    StopAsked,
    Told,
)

SILENT_LIMIT_S = 10.0
"""A PC that says nothing for so long has left the gang; a lost second of Wi-Fi has not."""
WAITING = Starting(phase="waiting its turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is known of one PC's share."""

    node: NodeId
    state: JobState = WAITING
    begun: bool = False
    """Its PC was told to start it."""

    @property
    def is_left(self) -> bool:
        """Something of it may still run."""
        return self.begun and not is_over(self.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gang:
    """`ending` is what the job will have become once nothing of it is left."""

    shares: tuple[Share, ...]
    job: JobState
    ending: Stopped | Failed | None = None


Step = tuple[Gang, tuple[Act, ...]]


def begin(nodes: tuple[NodeId, ...]) -> Step:
    """Share 0 first: the others look for it."""
    shares = tuple(Share(node=node) for node in nodes)
    gang = _with(Gang(shares=shares, job=WAITING), 0, begun=True, state=Starting(phase="starting"))
    gang = replace(gang, job=Starting(phase=phase_of(gang.shares)))
    return gang, (Record(job=gang.job), Start(share=0))


def step(gang: Gang, event: Event) -> Step:
    """What `event` makes of `gang`, and what must be done; a job that is over stays over."""
    if is_over(gang.job):
        return gang, ()
    match event:
        case Accepted(share=share):
            return _accepted(gang, share)
        case Refused(share=share, reason=reason):
            gang = _with(gang, share, begun=False)
            return _end(gang, Failed(node=gang.shares[share].node, reason=reason))
        case Told(share=share, state=state):
            if is_over(gang.shares[share].state):
                return gang, ()
            return _told(_with(gang, share, state=state), share)
        case Silent(share=share, for_s=for_s, why=why):
            return _silent(gang, share, for_s, why)
        case StopAsked(reason=reason):
            return _end(gang, Stopped(reason=reason))
        case StartTooLong(limit_s=limit_s):
            if isinstance(gang.job, Running):
                return gang, ()
            slowest = next(
                (s for s in gang.shares if not isinstance(s.state, Running)), gang.shares[0]
            )
            reason = f"no token within {limit_s:.0f} s of the start ({phase_of(gang.shares)})"
            return _end(gang, Failed(node=slowest.node, reason=reason))
        case _:
            assert_never(event)


def _accepted(gang: Gang, share: int) -> Step:
    """The next PC's turn, unless the gang is already ending: then this one ends too."""
    if gang.ending is not None:
        return gang, (Stop(share=share),)
    if share + 1 == len(gang.shares) or gang.shares[share + 1].begun:
        return gang, ()
    gang = _with(gang, share + 1, begun=True, state=Starting(phase="starting"))
    gang, acts = _recorded(gang)
    return gang, (*acts, Start(share=share + 1))


def _told(gang: Gang, share: int) -> Step:
    told = gang.shares[share]
    match told.state:
        case Failed() | Stopped() if gang.ending is not None:
            return _ending_goes_on(replace(gang, ending=better_cause(gang.ending, told.state)))
        case Failed():
            return _end(gang, replace(told.state, node=told.node))
        case Stopped(reason=reason):
            return _end(gang, Stopped(reason=f"stopped on {told.node}: {reason}"))
        case Starting() | Running():
            return _recorded(gang) if gang.ending is None else (gang, ())
        case _:
            assert_never(told.state)


def _silent(gang: Gang, share: int, for_s: float, why: str) -> Step:
    """A PC that is silent for long ends the gang, and is not waited for: its share ends with its lease."""
    lost = gang.shares[share]
    if for_s < SILENT_LIMIT_S or not lost.is_left:
        return gang, ()
    reason = (
        f"{lost.node} has not answered for {for_s:.0f} s ({why}); what runs there ends by itself"
    )
    cause = Failed(node=lost.node, reason=reason)
    gang, stops = _end(gang, cause)
    gang, finished = _ending_goes_on(_with(gang, share, state=cause))
    return gang, (*stops, *finished)


def _recorded(gang: Gang) -> Step:
    """The job's state from those of the shares; an act only where it changed."""
    first = gang.shares[0].state
    others_live = all(share.is_left for share in gang.shares)
    job: JobState = Starting(phase=phase_of(gang.shares))
    if isinstance(first, Running) and others_live:
        job = first
    if isinstance(gang.job, Running) or job == gang.job:
        return gang, ()
    return replace(gang, job=job), (Record(job=job),)


def _end(gang: Gang, ending: Stopped | Failed) -> Step:
    """Every PC that was told to start is told to stop; asked again, the first cause stays."""
    if gang.ending is None:
        gang = replace(gang, ending=ending)
    gang, finished = _ending_goes_on(gang)
    stops = tuple(Stop(share=n) for n, share in enumerate(gang.shares) if share.is_left)
    return gang, (*stops, *finished)


def _ending_goes_on(gang: Gang) -> Step:
    assert gang.ending is not None
    if any(share.is_left for share in gang.shares):
        return gang, ()
    return replace(gang, job=gang.ending), (Record(job=gang.ending), Finish())


def phase_of(shares: tuple[Share, ...]) -> str:
    """Every PC with what it does, so that slow never looks like stuck."""
    return "; ".join(f"{share.node}: {_word(share.state)}" for share in shares)


def _word(state: JobState) -> str:
    match state:
        case Starting(phase=phase):
            return phase
        case Running():
            return "running"
        case Stopped() | Failed():
            return "ended"
        case _:
            assert_never(state)


def _with(
    gang: Gang, share: int, *, state: JobState | None = None, begun: bool | None = None
) -> Gang:
    shares = list(gang.shares)
    old = shares[share]
    shares[share] = replace(
        old,
        state=old.state if state is None else state,
        begun=old.begun if begun is None else begun,
    )
    return replace(gang, shares=tuple(shares))
