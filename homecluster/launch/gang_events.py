"""What may happen to a gang, and what its leader can do: the words of `gang_step`."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.job import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The PC started its share."""

    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The PC did not start its share."""

    share: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The PC said how its share is."""

    share: int
    state: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """The PC has not answered for so long."""

    share: int
    for_s: float
    why: str
    """What the one who asked it heard instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTooLong:
    limit_s: float


Event = Accepted | Refused | Told | Silent | StopAsked | StartTooLong


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Tell the PC to start its share."""

    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Tell the PC to end its share, again and again until it says that nothing is left."""

    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    job: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is left on any PC that answers."""


Act = Start | Stop | Record | Finish
