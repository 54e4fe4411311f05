"""The exchange curve: two parties send each other a message at the same time, receives posted ahead."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Final

from netprobe.probes.ports import TICK_S
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

_ROUND: Final = struct.Struct("!II")
"""Before each size: message bytes, number of exchanges; (0, 0) ends the measurement."""
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
_MAX_ROUNDS: Final = 10_000
_WARM_UP: Final = 2
_FEWEST: Final = 4
_GROWTH: Final = 4
"""How much longer the next size takes at most: sizes grow fourfold."""
_SILENCE_S: Final = 5.0


def serve(connection: socket.socket, until: float, stop: threading.Event) -> None:
    """Take part in every size that the caller announces, until it says that it is done."""
    header = bytearray(_ROUND.size)
    with connection:
        connection.setblocking(False)
        while time.monotonic() < until and not stop.is_set():
            _swap(connection, b"", header, stop)
            size, rounds = _ROUND.unpack(header)
            if not rounds:
                return
            if size > MAX_MESSAGE_BYTES or rounds > _MAX_ROUNDS:
                raise ProbeError(FailureKind.WRONG_SERVICE, "absurd exchange asked for")
            _rounds(connection, size, rounds, stop)


def measure(
    connection: socket.socket,
    sizes: Sequence[int],
    *,
    per_size_s: float,
    limit_s: float,
    stop: threading.Event,
) -> dict[int, tuple[float, ...]]:
    """Message bytes -> seconds per exchange, each sample the mean of two in a row.

    Two in a row, because a start offset between the parties lengthens one exchange and shortens
    the next by the same time. A size is left out when it would not fit into `limit_s` any more.
    """
    curve: dict[int, tuple[float, ...]] = {}
    begin = time.monotonic()
    one_s = 0.0
    with connection:
        connection.setblocking(False)
        for size in sizes:
            if time.monotonic() - begin + _GROWTH * one_s * (_FEWEST + _WARM_UP) > limit_s:
                break
            first = _announce(connection, size, _FEWEST + _WARM_UP, stop)[_WARM_UP:]
            one_s = sum(first) / len(first)  # the offset makes single ones alternate
            more = min(_MAX_ROUNDS, 2 * int(per_size_s / max(one_s, 1e-6) / 2))
            times = _announce(connection, size, more, stop) if more > _FEWEST else first
            curve[size] = tuple((a + b) / 2 for a, b in zip(times[::2], times[1::2], strict=False))
        _swap(connection, _ROUND.pack(0, 0), bytearray(), stop)
    return curve


def _announce(
    connection: socket.socket, size: int, rounds: int, stop: threading.Event
) -> list[float]:
    _swap(connection, _ROUND.pack(size, rounds), bytearray(), stop)
    return _rounds(connection, size, rounds, stop)


def _rounds(
    connection: socket.socket, size: int, rounds: int, stop: threading.Event
) -> list[float]:
    message, received = bytes(size), bytearray(size)
    times: list[float] = []
    before = time.perf_counter()
    for _ in range(rounds):
        _swap(connection, message, received, stop)
        now = time.perf_counter()
        times.append(now - before)
        before = now
    return times


def _swap(
    connection: socket.socket, message: bytes, received: bytearray, stop: threading.Event
) -> None:
    """Send `message` and fill `received`, both at once."""
    out, into = memoryview(message), memoryview(received)
    sent = got = 0
    quiet_since = time.monotonic()
    while sent < len(out) or got < len(into):
        progress = 0
        if sent < len(out):
            sent += (progress := _try_send(connection, out[sent:]))
        if got < len(into):
            more = _try_receive(connection, into[got:])
            got, progress = got + more, progress + more
        if progress:
            quiet_since = time.monotonic()
            continue
        if stop.is_set() or time.monotonic() > quiet_since + _SILENCE_S:
            raise ProbeError(FailureKind.TIMED_OUT, "the exchange fell silent")
        readers = [connection] if got < len(into) else []
        writers = [connection] if sent < len(out) else []
        select.select(readers, writers, [], TICK_S)


def _try_send(connection: socket.socket, part: memoryview) -> int:
    try:
        return connection.send(part)
    except BlockingIOError:
        return 0


def _try_receive(connection: socket.socket, into: memoryview) -> int:
    try:
        size = connection.recv_into(into)
    except BlockingIOError:
        return 0
    if size == 0:
        raise ProbeError(FailureKind.PEER_LOST, "the far side closed the exchange")
    return size
