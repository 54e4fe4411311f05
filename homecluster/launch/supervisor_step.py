"""What a supervisor does next: a pure step machine from (state, event) to (state, acts)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, JobState, Running, Starting, Stopped

GRACE_S = 10.0
"""From SIGTERM to SIGKILL; vLLM needs about one second to free its shared memory."""


# --- events: what happened ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSeen:
    """The engine's log says that it reached a phase of its start."""

    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCame:
    """A completion of one token was answered through the API."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineEnded:
    """The engine's first process is gone, for `reason`, whoever wanted it."""

    reason: str
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTooLong:
    limit_s: float
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GraceOver:
    """`GRACE_S` passed since SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingLeft:
    """Looked: no process of the job lives."""


Event = PhaseSeen | TokenCame | EngineEnded | StopAsked | StartTooLong | GraceOver | NothingLeft


# --- acts: what the shell must do -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write the job's state where `status` reads it."""

    job: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """SIGTERM to the engine, and `GraceOver` after `grace_s`."""

    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KillAll:
    """SIGKILL to every process of the job until none is left, then `NothingLeft`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The supervisor has no more to do."""


Act = Record | Terminate | KillAll | Finish


# --- the machine ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """`ending` is what the job will have become once nothing of it is left."""

    node: NodeId
    job: JobState
    ending: Stopped | Failed | None = None


Step = tuple[Supervision, tuple[Act, ...]]


def begin(node: NodeId) -> Step:
    """The first state, before the engine's process says anything."""
    state = Supervision(node=node, job=Starting(phase="starting"))
    return state, (Record(job=state.job),)


def step(state: Supervision, event: Event) -> Step:
    """What `event` makes of `state`, and what must be done; a job that is over stays over."""
    if isinstance(state.job, Stopped | Failed):
        return state, ()
    if state.ending is not None:
        return _step_ending(state, state.ending, event)
    if isinstance(state.job, Starting) and (begun := _step_starting(state, event)) is not None:
        return begun
    match event:
        case EngineEnded(reason=reason, log_tail=tail):
            ending = Failed(node=state.node, reason=reason, log_tail=tail)
            return replace(state, ending=ending), (KillAll(),)
        case StopAsked(reason=reason):
            return _terminate(state, Stopped(reason=reason))
        case _:
            return state, ()


def _step_starting(state: Supervision, event: Event) -> Step | None:
    """None for what a start and a running engine have in common."""
    match event:
        case PhaseSeen(phase=phase):
            job = Starting(phase=phase)
            return (state, ()) if state.job == job else _now(state, job)
        case TokenCame(after_s=after_s):
            return _now(state, Running(start_up_s=after_s))
        case StartTooLong(limit_s=limit_s, log_tail=tail):
            reason = f"no token within {limit_s:.0f} s of the start"
            return _terminate(state, Failed(node=state.node, reason=reason, log_tail=tail))
        case _:
            return None


def _step_ending(state: Supervision, ending: Stopped | Failed, event: Event) -> Step:
    match event:
        case EngineEnded() | GraceOver() | StopAsked():  # asked twice: no more patience
            return state, (KillAll(),)
        case NothingLeft():
            return replace(state, job=ending), (Record(job=ending), Finish())
        case PhaseSeen() | TokenCame() | StartTooLong():
            return state, ()
        case _:
            assert_never(event)


def _now(state: Supervision, job: JobState) -> Step:
    return replace(state, job=job), (Record(job=job),)


def _terminate(state: Supervision, ending: Stopped | Failed) -> Step:
    return replace(state, ending=ending), (Terminate(grace_s=GRACE_S),)
