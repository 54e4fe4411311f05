"""One connection between any two ranks of a group, over which all send at once and receive at once."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from homecluster.jobs.vllm_plugin.frames import HEADER_BYTES, Frame, parse
from homecluster.jobs.vllm_plugin.meeting import hang_up
from homecluster.jobs.vllm_plugin.trouble import ExchangeError

Bytes = bytes | bytearray | memoryview

KEEPALIVE_IDLE_S: Final = 5
KEEPALIVE_INTERVAL_S: Final = 5
KEEPALIVE_PROBES: Final = 3
UNACKNOWLEDGED_LIMIT_MS: Final = 15_000
"""A peer whose kernel is silent for so long is gone: pulled plug, cut link. A stalled process still acknowledges."""


class Mesh:
    """The connected ranks; each collective is one message to some peers and one from some.

    Not for several threads: a group's collectives have one order.
    """

    def __init__(
        self, rank: int, connections: Mapping[int, socket.socket], *, limit_s: float
    ) -> None:
        self.rank = rank
        self.ranks = len(connections) + 1
        self._limit_s = limit_s
        self._connections = dict(sorted(connections.items()))
        self._sequence = 0
        self._closed_because: str | None = None
        for connection in self._connections.values():
            _make_swift(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, so that every peer learns at once; safe to repeat."""
        self._closed_because = self._closed_because or "it was closed"
        for connection in self._connections.values():
            hang_up(connection)

    def swap(
        self,
        operation: str,
        dtype: str,
        payload: Bytes,
        *,
        to: Sequence[int] | None = None,
        of: Sequence[int] | None = None,
    ) -> dict[int, memoryview]:
        """What each rank of `of` sent, while ours goes to each of `to`; by default all others.

        `payload`: contiguous; all ranks send equally many bytes. Returns as soon as the last byte came.

        Raises:
            ExchangeError: a peer is lost, takes longer than the limit or is at another message; the mesh is then closed.
        """
        if self._closed_because is not None:
            raise ExchangeError(f"the exchange has ended: {self._closed_because}")
        content = memoryview(payload).cast("B")
        frame = Frame(
            operation=operation, dtype=dtype, payload_bytes=len(content), sequence=self._sequence
        )
        self._sequence += 1
        try:
            received = self._swap(frame, content, to, of)
        except ExchangeError as error:
            self._closed_because = str(error)
            self.close()
            raise
        return received

    def _swap(
        self, frame: Frame, content: memoryview, to: Sequence[int] | None, of: Sequence[int] | None
    ) -> dict[int, memoryview]:
        header = frame.header()
        outgoing = {
            self._connections[peer].fileno(): _Outgoing(
                peer, self._connections[peer], header, content
            )
            for peer in (self._connections if to is None else to)
        }
        incoming = {
            self._connections[peer].fileno(): _Incoming(peer, self._connections[peer], frame)
            for peer in (self._connections if of is None else of)
        }
        received = {one.peer: one.payload for one in incoming.values()}
        for descriptor in list(outgoing):
            if outgoing[descriptor].push():
                del outgoing[descriptor]
        deadline = time.monotonic() + self._limit_s
        while outgoing or incoming:
            ready = _ready(outgoing.keys(), incoming.keys(), deadline)
            if not ready:
                late = {one.peer for one in incoming.values()}
                late |= {one.peer for one in outgoing.values()}
                names = ", ".join(f"rank {peer}" for peer in sorted(late))
                raise ExchangeError(f"{names} took longer than {self._limit_s:g} s over {frame}")
            for descriptor, events in ready:
                if (
                    descriptor in incoming
                    and events & ~select.POLLOUT
                    and incoming[descriptor].pull()
                ):
                    del incoming[descriptor]
                if (
                    descriptor in outgoing
                    and events & ~select.POLLIN
                    and outgoing[descriptor].push()
                ):
                    del outgoing[descriptor]
        return received


def _ready(
    writers: AbstractSet[int], readers: AbstractSet[int], deadline: float
) -> list[tuple[int, int]]:
    """(descriptor, events); none once the deadline is over."""
    poller = select.poll()
    for descriptor in writers | readers:
        events = select.POLLIN if descriptor in readers else 0
        events |= select.POLLOUT if descriptor in writers else 0
        poller.register(descriptor, events)
    return poller.poll(max(0.0, deadline - time.monotonic()) * 1000)


@dataclass(slots=True)
class _Outgoing:
    peer: int
    connection: socket.socket
    header: bytes
    content: memoryview
    sent: int = 0

    def push(self) -> bool:
        """Whether all is sent."""
        whole = HEADER_BYTES + len(self.content)
        try:
            if self.sent < HEADER_BYTES:
                self.sent += self.connection.sendmsg((self.header[self.sent :], self.content))
            else:
                self.sent += self.connection.send(self.content[self.sent - HEADER_BYTES :])
        except BlockingIOError:
            return False
        except OSError as error:
            raise _lost(self.peer, error) from error
        return self.sent == whole


class _Incoming:
    """A message on its way in: never a byte more than it has, so that the next one stays in the socket."""

    def __init__(self, peer: int, connection: socket.socket, expected: Frame) -> None:
        self.peer, self.connection, self.expected = peer, connection, expected
        self.buffer = memoryview(bytearray(HEADER_BYTES + expected.payload_bytes))
        self.received = 0

    @property
    def payload(self) -> memoryview:
        return self.buffer[HEADER_BYTES:]

    def pull(self) -> bool:
        """Whether all has come."""
        before = self.received
        try:
            count = self.connection.recv_into(self.buffer[before:])
        except BlockingIOError:
            return False
        except OSError as error:
            raise _lost(self.peer, error) from error
        if count == 0:
            raise ExchangeError(f"rank {self.peer} hung up before {self.expected}")
        self.received += count
        if before < HEADER_BYTES <= self.received:
            self._check()
        return self.received == len(self.buffer)

    def _check(self) -> None:
        got = parse(self.buffer[:HEADER_BYTES])
        if got != self.expected:
            raise ExchangeError(f"rank {self.peer} is at {got}; this rank is at {self.expected}")


def _lost(peer: int, error: OSError) -> ExchangeError:
    return ExchangeError(f"rank {peer} is lost: {error.strerror or error}")


def _make_swift(connection: socket.socket) -> None:
    """No waiting for more to send, and a peer that vanished without a word is noticed."""
    connection.setblocking(False)
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_LIMIT_MS)
