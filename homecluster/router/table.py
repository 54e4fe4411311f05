"""Which copy gets the next request: a pure table of how each copy does, and the choice made from it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum


class SeatState(StrEnum):
    """What the router last knew of a copy."""

    STARTING = "starting"
    """It gave no token yet."""
    SERVING = "serving"
    AWAY = "away"
    """It served, and does not answer now; asked again and again."""
    ENDED = "ended"
    """Its engine is over and will not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One whole copy, as the router reaches it."""

    name: str
    host: str | None = None
    """Of a copy on this PC, with `port`."""
    port: int | None = None
    socket: str | None = None
    """Path of the Unix socket that leads to a copy on another PC."""
    tokens_per_s: float
    """What the plan expects of it under the whole load; only the ratio between copies matters."""
    batch: int
    """Requests that it computes at once; more of them wait inside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A copy in the table."""

    backend: Backend
    state: SeatState = SeatState.STARTING
    in_flight: int = 0
    served: int = 0
    """Requests that it was given so far."""
    progressed_at_s: float = 0.0
    """When it last sent anything, or was given work while it had none."""
    reason: str = ""
    """Why it is away or ended, in words."""

    @property
    def name(self) -> str:
        return self.backend.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All copies; every change makes a new table."""

    seats: tuple[Seat, ...]

    def seat(self, name: str) -> Seat:
        return next(seat for seat in self.seats if seat.name == name)

    @property
    def serving(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if seat.state is SeatState.SERVING)

    @property
    def in_flight(self) -> int:
        return sum(seat.in_flight for seat in self.seats)


def table_of(backends: Collection[Backend]) -> Table:
    """Nobody serves yet."""
    return Table(seats=tuple(Seat(backend=backend) for backend in backends))


def joined(table: Table, backend: Backend) -> Table:
    """With a copy more, or with one that was started anew in its old place."""
    if all(seat.name != backend.name for seat in table.seats):
        return Table(seats=(*table.seats, Seat(backend=backend)))
    return _changed(
        table,
        backend.name,
        lambda seat: replace(seat, backend=backend, state=SeatState.STARTING, reason=""),
    )


def choose(table: Table, tried: Collection[str] = ()) -> Seat | None:
    """The serving copy that would be least loaded with one request more; None when there is none left.

    Least loaded: first those that need not let it wait (requests < batch), then fewest requests for
    their speed (so an idle home's single request goes to its fastest copy), then who was given the
    fewest so far. A prediction that is wrong mends itself: who is slower than promised keeps its
    requests longer and gets fewer new ones.
    """
    open_to = [seat for seat in table.serving if seat.name not in tried]
    return min(open_to, key=_load, default=None)


def _load(seat: Seat) -> tuple[bool, float, float]:
    backend = seat.backend
    return (
        seat.in_flight >= backend.batch,
        (seat.in_flight + 1) / backend.tokens_per_s,
        (seat.served + 1) / backend.tokens_per_s,
    )


def began(table: Table, name: str, now_s: float) -> Table:
    """The copy was given a request."""

    def change(seat: Seat) -> Seat:
        fresh = now_s if seat.in_flight == 0 else seat.progressed_at_s
        return replace(
            seat, in_flight=seat.in_flight + 1, served=seat.served + 1, progressed_at_s=fresh
        )

    return _changed(table, name, change)


def progressed(table: Table, name: str, now_s: float) -> Table:
    """The copy sent something."""
    return _changed(table, name, lambda seat: replace(seat, progressed_at_s=now_s))


def ended(table: Table, name: str) -> Table:
    """A request of the copy is over, however it ended."""
    return _changed(table, name, lambda seat: replace(seat, in_flight=max(0, seat.in_flight - 1)))


def came(table: Table, name: str, now_s: float) -> Table:
    """The copy gave a token when it was asked for one."""

    def change(seat: Seat) -> Seat:
        if seat.state is SeatState.ENDED:
            return seat
        return replace(seat, state=SeatState.SERVING, reason="", progressed_at_s=now_s)

    return _changed(table, name, change)


def lost(table: Table, name: str, reason: str) -> Table:
    """The copy does not answer; one that only starts goes on starting."""

    def change(seat: Seat) -> Seat:
        if seat.state is not SeatState.SERVING:
            return seat
        return replace(seat, state=SeatState.AWAY, reason=reason)

    return _changed(table, name, change)


def over(table: Table, name: str, reason: str) -> Table:
    """The copy's engine is gone for good; the first reason stays."""

    def change(seat: Seat) -> Seat:
        if seat.state is SeatState.ENDED:
            return seat
        return replace(seat, state=SeatState.ENDED, reason=reason)

    return _changed(table, name, change)


def silent(table: Table, now_s: float, limit_s: float) -> tuple[str, ...]:
    """Serving copies that owe an answer and sent nothing, to anybody, for longer than `limit_s`."""
    return tuple(
        seat.name
        for seat in table.serving
        if seat.in_flight and now_s - seat.progressed_at_s > limit_s
    )


def _changed(table: Table, name: str, change: Callable[[Seat], Seat]) -> Table:
    return Table(seats=tuple(change(s) if s.name == name else s for s in table.seats))
