"""The copies as they are now: the table, the connections, and the requests that each one has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from homecluster.router import table as tables
from homecluster.router.table import Backend, Seat, SeatState, Table
from homecluster.router.upstream import Upstream


class Fleet:
    """Owns the table; whoever waits for a copy that is lost is woken at once."""

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.table: Table = tables.table_of(())
        self.upstreams: dict[str, Upstream] = {}
        self._waits: dict[str, set[asyncio.Timeout]] = {}
        self._tell = tell
        self._clock = clock

    def join(self, backend: Backend, upstream: Upstream) -> Upstream | None:
        """One copy more, or another start of one; it gets requests once it gave a token.

        Returns the connections of its earlier start, which no request uses any more once they ended.
        """
        before = self.upstreams.get(backend.name)
        self.upstreams[backend.name] = upstream
        self._waits.setdefault(backend.name, set())
        self.table = tables.joined(self.table, backend)
        return before

    async def close(self) -> None:
        for upstream in self.upstreams.values():
            await upstream.close()

    def choose(self, tried: Collection[str]) -> Seat | None:
        return tables.choose(self.table, tried)

    @contextmanager
    def given(self, name: str) -> Iterator[asyncio.Timeout]:
        """Counts a request to the copy; enter the wait inside: it times out when the copy is lost."""
        wait = asyncio.timeout(None)
        self.table = tables.began(self.table, name, self._clock())
        self._waits[name].add(wait)
        try:
            yield wait
        finally:
            self._waits[name].discard(wait)
            self.table = tables.ended(self.table, name)

    def progressed(self, name: str) -> None:
        self.table = tables.progressed(self.table, name, self._clock())

    def came(self, name: str) -> None:
        """It gave a token."""
        before = self.table.seat(name).state
        self.table = tables.came(self.table, name, self._clock())
        if before in (SeatState.STARTING, SeatState.AWAY):
            self._tell(f"{name}: serving")

    def doubt(self, name: str, reason: str) -> None:
        """One request of it broke: no new ones until it gives a token; the others of it may be well."""
        if self.table.seat(name).state is SeatState.SERVING:
            self._tell(f"{name}: away: {reason}")
        self.table = tables.lost(self.table, name, reason)

    def lost(self, name: str, reason: str) -> None:
        """It does not answer at all; its requests wake up."""
        self.doubt(name, reason)
        self._wake(name)

    def over(self, name: str, reason: str) -> None:
        """Its engine is gone for good."""
        if self.table.seat(name).state is not SeatState.ENDED:
            self._tell(f"{name}: ended: {reason}")
        self.table = tables.over(self.table, name, reason)
        self._wake(name)

    def silent(self, limit_s: float) -> tuple[str, ...]:
        return tables.silent(self.table, self._clock(), limit_s)

    def _wake(self, name: str) -> None:
        now_s = asyncio.get_running_loop().time()
        for wait in self._waits[name]:
            if not wait.expired():
                wait.reschedule(now_s)
