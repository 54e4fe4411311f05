"""Measuring ports: opened for one measurement, for one peer, with a cookie, until a deadline."""

from __future__ import annotations

import asyncio
import hmac
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from netprobe.probes.trouble import ProbeError, from_os_error
from netprobe.types import FailureKind

T = TypeVar("T")

Listener = socket.socket

SockAddr = tuple[Any, ...]
"""What getsockname() gives: (host, port) or (host, port, flow, scope)."""

COOKIE_BYTES: Final = 16
TICK_S: Final = 0.1
"""How often a waiting thread looks whether it should stop."""
_COOKIE_TIMEOUT_S: Final = 2.0
_MAX_UNADMITTED: Final = 8
_JOIN_S: Final = 1.0


def with_port(address: SockAddr, port: int) -> SockAddr:
    """The same host (and IPv6 scope), another port."""
    return (address[0], port, *address[2:])


def same_host(one: SockAddr, other: SockAddr) -> bool:
    return str(one[0]).partition("%")[0] == str(other[0]).partition("%")[0]


def family_of(address: SockAddr) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET


def listen(local: SockAddr) -> socket.socket:
    """A TCP listener on the same address as the control connection, on a free port."""
    listener = socket.socket(family_of(local), socket.SOCK_STREAM)
    try:
        listener.bind(with_port(local, 0))
        listener.listen(_MAX_UNADMITTED)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise from_os_error(error, "opening a measuring port") from error
    return listener


def open_udp(local: SockAddr) -> socket.socket:
    """A UDP socket on the same address as the control connection, on a free port."""
    udp = socket.socket(family_of(local), socket.SOCK_DGRAM)
    try:
        udp.bind(with_port(local, 0))
    except OSError as error:
        udp.close()
        raise from_os_error(error, "opening a measuring port") from error
    udp.settimeout(TICK_S)
    return udp


def admit(
    listener: socket.socket, peer: SockAddr, cookie: bytes, until: float, stop: threading.Event
) -> socket.socket:
    """The first connection from `peer` that shows the cookie; as `admit_all`."""
    return admit_all(listener, peer, cookie, until, stop, count=1)[0]


def admit_all(
    listener: socket.socket,
    peer: SockAddr,
    cookie: bytes,
    until: float,
    stop: threading.Event,
    *,
    count: int,
) -> list[socket.socket]:
    """The first `count` connections from `peer` that show the cookie; everyone else is turned away.

    Closes the listener in any case. Blocks at most until `until` (monotonic) or `stop`.

    Raises:
        ProbeError: timed_out when too few came.
    """
    waiting: dict[socket.socket, float] = {}
    admitted: list[socket.socket] = []
    try:
        while time.monotonic() < until and not stop.is_set():
            readable, _, _ = select.select([listener, *waiting], [], [], TICK_S)
            now = time.monotonic()
            for connection in readable:
                if connection is listener:
                    _accept(listener, peer, waiting, now)
                elif _shows(connection, cookie):
                    del waiting[connection]
                    admitted.append(connection)
                    if len(admitted) == count:
                        return admitted
                else:
                    del waiting[connection]
                    connection.close()
            for connection in [
                one for one, since in waiting.items() if now - since > _COOKIE_TIMEOUT_S
            ]:
                del waiting[connection]
                connection.close()
    finally:
        listener.close()
        for connection in waiting:
            connection.close()
    for connection in admitted:
        connection.close()
    raise ProbeError(FailureKind.TIMED_OUT, "nobody came to the measuring port")


def _accept(
    listener: socket.socket, peer: SockAddr, waiting: dict[socket.socket, float], now: float
) -> None:
    try:
        connection, address = listener.accept()
    except OSError:
        return  # gone again before we looked
    if not same_host(address, peer) or len(waiting) >= _MAX_UNADMITTED:
        connection.close()
        return
    connection.setblocking(False)
    waiting[connection] = now


def _shows(connection: socket.socket, cookie: bytes) -> bool:
    try:
        shown = connection.recv(COOKIE_BYTES)
    except OSError:
        return False
    if not hmac.compare_digest(shown, cookie):
        return False
    connection.setblocking(True)
    connection.settimeout(TICK_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return True


def dial(local: SockAddr, remote: SockAddr, cookie: bytes, timeout_s: float) -> socket.socket:
    """A connection to the far side's measuring port, cookie shown, from the address of the control connection.

    Raises:
        ProbeError: as the socket says; timed_out when a firewall swallows it.
    """
    connection = socket.socket(family_of(remote), socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.bind(with_port(local, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect(remote)
        connection.sendall(cookie)
        connection.settimeout(TICK_S)
    except OSError as error:
        connection.close()
        raise from_os_error(error, f"dialling measuring port {remote[1]}") from error
    return connection


async def in_thread(work: Callable[[threading.Event], T], timeout_s: float) -> T:
    """What `work` returns; it is told to stop when the time is up or the caller is cancelled.

    Threads and blocking sockets rather than the event loop: an echo through asyncio costs 0.05 ms
    more and jitters more (docs/decisions/0022). `work` must look at its event every TICK_S.

    Raises:
        ProbeError: timed_out, or whatever `work` raised.
    """
    stop = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(None, work, stop)
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.wait_for(asyncio.shield(future), timeout_s)
    except TimeoutError as error:
        raise ProbeError(
            FailureKind.TIMED_OUT, f"nothing came back within {timeout_s:.1f} s"
        ) from error
    except OSError as error:
        raise from_os_error(error, "measuring") from error
    finally:
        stop.set()
        if not future.done():
            await asyncio.wait([future], timeout=_JOIN_S)
