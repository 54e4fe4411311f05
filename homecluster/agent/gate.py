"""Accepting connections so that a thousand silent strangers cannot keep one member out."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable

from homecluster.agent.limits import (
    HANDSHAKE_S,
    STRANGER_S,
    STRANGERS,
    STRANGERS_PER_ADDRESS,
)

log = logging.getLogger(__name__)
_BACKLOG = 512
_PAUSE_S = 0.05
"""Between two tries while the process has no free file handle."""


_LOOK_S = 0.2


class Crowd:
    """Which connections of strangers are open, the oldest first; pure."""

    def __init__(self, per_address: int = STRANGERS_PER_ADDRESS, total: int = STRANGERS) -> None:
        self._per_address, self._total = per_address, total
        self._open: OrderedDict[int, str] = OrderedDict()
        self._next = 0

    def enter(self, address: str) -> tuple[int, int | None]:
        """(number of the newcomer, number of the one that must go for it).

        The oldest of the same address goes, or of the address with the most: an honest handshake takes
        milliseconds, so it is over before it is the oldest.
        """
        number, self._next = self._next, self._next + 1
        self._open[number] = address
        counts: dict[str, int] = {}
        for other in self._open.values():
            counts[other] = counts.get(other, 0) + 1
        crowded = None
        if counts[address] > self._per_address:
            crowded = address
        elif len(self._open) > self._total:
            crowded = max(counts, key=lambda name: counts[name])
        if crowded is None:
            return number, None
        oldest = next(one for one, name in self._open.items() if name == crowded)
        del self._open[oldest]
        return number, oldest

    def leave(self, number: int) -> None:
        self._open.pop(number, None)

    def __len__(self) -> int:
        return len(self._open)


class Gate:
    """Accepts on one socket; who shows no member's certificate is a stranger and gets little time."""

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        is_member: Callable[[ssl.SSLObject], bool],
    ) -> None:
        self._listening, self._context = listening, context
        self._protocol, self._is_member = protocol, is_member
        self._crowd = Crowd()
        self._enders: dict[int, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept until cancelled, then close everything that is still a stranger's."""
        loop = asyncio.get_running_loop()
        self._listening.listen(_BACKLOG)
        try:
            while True:
                try:
                    connection, peer = await loop.sock_accept(self._listening)
                except OSError as error:
                    log.warning("cannot accept: %s", error.strerror)
                    await asyncio.sleep(_PAUSE_S)
                    continue
                self._take(connection, str(peer[0]))
        finally:
            self._listening.close()
            for end in tuple(self._enders.values()):
                end()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, connection: socket.socket, address: str) -> None:
        connection.setblocking(False)
        number, must_go = self._crowd.enter(address)
        if must_go is not None and (end := self._enders.pop(must_go, None)) is not None:
            end()
        task = asyncio.create_task(self._greet(connection, number))
        self._enders[number] = lambda: _cancel(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _greet(self, connection: socket.socket, number: int) -> None:
        """The handshake; afterwards a stranger is watched until its time is up."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, TimeoutError, asyncio.CancelledError):
            connection.close()
            self._forget(number)
            return
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and self._is_member(tls):
            self._forget(number)
            return
        self._enders[number] = transport.abort
        for _ in range(int(STRANGER_S / _LOOK_S)):
            if transport.is_closing() or number not in self._enders:
                break
            await asyncio.sleep(_LOOK_S)
        transport.abort()
        self._forget(number)

    def _forget(self, number: int) -> None:
        self._crowd.leave(number)
        self._enders.pop(number, None)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
