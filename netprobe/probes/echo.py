"""Round trips: small datagrams or TCP messages that the far side sends straight back."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Final

from netprobe.probes.ports import COOKIE_BYTES, TICK_S, SockAddr, admit, same_host
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

MESSAGE_BYTES: Final = 64
"""As ping's default payload and 8 bytes: far below any MTU."""
_NUMBER: Final = struct.Struct("!I")
_WARM_UP: Final = 3
"""Leading round trips that resolve addresses and wake radios; not counted."""
LATE_S: Final = 1.0
"""How long to wait for the first answer; later ones are lost after a quiet time of _quiet_s."""
_QUIET_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Echoes:
    """Round trips in the order sent, without the warm-up; the lost ones are only counted."""

    round_trips_s: tuple[float, ...]
    sent_at_s: tuple[float, ...]
    """Since the first datagram, one for each round trip."""
    sent: int

    @property
    def lost(self) -> int:
        return self.sent - len(self.round_trips_s)


def serve_udp(
    udp: socket.socket, peer: SockAddr, cookie: bytes, until: float, stop: threading.Event
) -> None:
    """Send back every datagram of `peer` that begins with the cookie; closes the socket at the end."""
    buffer = bytearray(2048)
    view = memoryview(buffer)
    with udp:
        while time.monotonic() < until and not stop.is_set():
            try:
                size, sender = udp.recvfrom_into(buffer)
            except OSError:
                continue  # a quiet moment, or an ICMP error about an earlier answer
            if same_host(sender, peer) and buffer.startswith(cookie):
                _answer(udp, view[:size], sender)


def _answer(udp: socket.socket, message: memoryview, sender: SockAddr) -> None:
    try:
        udp.sendto(message, sender)
    except OSError:
        return  # the link is down for now; the datagram is lost


def ping_udp(
    udp: socket.socket,
    remote: SockAddr,
    cookie: bytes,
    *,
    count: int,
    interval_s: float,
    stop: threading.Event,
) -> Echoes:
    """Open loop: one datagram every `interval_s` whether or not the last came back.

    Ends when all are back, when after the last one nothing came for a while (twice the longest
    round trip seen, 0.25 s at least), or when `stop` is set. Closes the socket.
    """
    padding = bytes(MESSAGE_BYTES - COOKIE_BYTES - _NUMBER.size)
    sent_at: list[float] = []
    back: dict[int, float] = {}
    total = count + _WARM_UP
    with udp:
        udp.connect(remote)
        start = time.perf_counter()
        while not stop.is_set() and len(back) < total:
            now = time.perf_counter()
            if len(sent_at) < total and now >= start + len(sent_at) * interval_s:
                number = len(sent_at)
                sent_at.append(time.perf_counter())
                _send(udp, cookie + _NUMBER.pack(number) + padding)
                continue
            if len(sent_at) == total and now > _give_up_at(sent_at, back):
                break
            due = start + len(sent_at) * interval_s if len(sent_at) < total else now + TICK_S
            readable, _, _ = select.select([udp], [], [], min(max(due - now, 0.0), TICK_S))
            if readable:
                _collect(udp, back, len(sent_at))
    return _echoes(sent_at, back)


def _give_up_at(sent_at: list[float], back: dict[int, float]) -> float:
    if not back:
        return sent_at[-1] + LATE_S
    longest_s = max(arrived - sent_at[number] for number, arrived in back.items())
    return max(sent_at[-1], *back.values()) + max(_QUIET_S, 2 * longest_s)


def _send(udp: socket.socket, message: bytes) -> None:
    try:
        udp.send(message)
    except OSError:
        return  # counted as lost: no answer will come


def _collect(udp: socket.socket, back: dict[int, float], sent: int) -> None:
    try:
        message = udp.recv(2048)
    except OSError:
        return
    arrived = time.perf_counter()
    if len(message) != MESSAGE_BYTES:
        return
    number = _NUMBER.unpack_from(message, COOKIE_BYTES)[0]
    if number < sent:
        back.setdefault(number, arrived)


def _echoes(sent_at: list[float], back: dict[int, float]) -> Echoes:
    counted = [number for number in range(_WARM_UP, len(sent_at)) if number in back]
    return Echoes(
        round_trips_s=tuple(back[number] - sent_at[number] for number in counted),
        sent_at_s=tuple(sent_at[number] - sent_at[0] for number in counted),
        sent=max(0, len(sent_at) - _WARM_UP),
    )


def serve_tcp(
    listener: socket.socket, peer: SockAddr, cookie: bytes, until: float, stop: threading.Event
) -> None:
    """Admit the peer and send back what it sends until it closes."""
    with admit(listener, peer, cookie, until, stop) as connection:
        while time.monotonic() < until and not stop.is_set():
            try:
                message = connection.recv(MESSAGE_BYTES)
            except TimeoutError:
                continue
            if not message:
                return
            connection.sendall(message)


def ping_tcp(
    connection: socket.socket,
    *,
    count: int,
    pauses: int,
    pause_s: float,
    limit_s: float,
    stop: threading.Event,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(round trips one after the other, round trips each after a pause of `pause_s`).

    The first list ends early after `limit_s`, but not before 10 round trips were seen or failed.

    Raises:
        ProbeError: peer_lost when the far side closed, timed_out when it fell silent.
    """
    enough = 10
    with connection:
        for _ in range(_WARM_UP):
            _one(connection, stop)
        start = time.monotonic()
        warm: list[float] = []
        while len(warm) < count and (len(warm) < enough or time.monotonic() < start + limit_s):
            warm.append(_one(connection, stop))
        idle: list[float] = []
        for _ in range(pauses):
            stop.wait(pause_s)
            idle.append(_one(connection, stop))
    return tuple(warm), tuple(idle)


def _one(connection: socket.socket, stop: threading.Event) -> float:
    message = bytes(MESSAGE_BYTES)
    start = time.perf_counter()
    connection.sendall(message)
    missing = MESSAGE_BYTES
    while missing:
        if stop.is_set() or time.perf_counter() > start + 5 * LATE_S:
            raise ProbeError(FailureKind.TIMED_OUT, "the echo fell silent")
        try:
            part = connection.recv(missing)
        except TimeoutError:
            continue
        if not part:
            raise ProbeError(FailureKind.PEER_LOST, "the far side closed the echo")
        missing -= len(part)
    return time.perf_counter() - start
