"""How large a packet the path carries, found with datagrams that may not be fragmented."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Final

from netprobe.probes.ports import COOKIE_BYTES, TICK_S, SockAddr, family_of, same_host

# Linux numbers that the socket module does not name (linux/in.h, linux/in6.h).
_IP_MTU_DISCOVER: Final = 10
_IP_MTU: Final = 14
_IPV6_MTU_DISCOVER: Final = 23
_IPV6_MTU: Final = 24
_PMTUDISC_PROBE: Final = 3
"""Set DF, and try sizes whatever the kernel believes of the path."""
_UDP_HEADER_BYTES: Final = 8
SMALLEST_BYTES: Final = 576
"""What every IPv4 path must carry (RFC 791)."""
_LARGEST_BYTES: Final = 65_507 + 28
_SIZES_PER_ROUND: Final = 12
_TRIES: Final = 3
_PATIENCE: Final = 5.0
"""Times the usual wait before a blackhole is claimed: a busy PC answers late, and it is a grave word."""
_SIZE: Final = struct.Struct("!H")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMtu:
    """`mtu_bytes` is the largest IP packet that came through; None when not even the smallest did."""

    mtu_bytes: int | None
    interface_mtu_bytes: int
    told: bool
    """The network said by ICMP that larger packets do not fit (or none was needed)."""
    back_fits: bool = True
    """Packets of that size also come back."""

    @property
    def blackhole(self) -> bool:
        """Larger packets vanish without notice."""
        if self.mtu_bytes is None:
            return False
        return not self.back_fits or (self.mtu_bytes < self.interface_mtu_bytes and not self.told)


def candidates(good: int, bad: int) -> tuple[int, ...]:
    """Sizes to try between one that passes and one that does not, evenly spaced; none when adjacent."""
    gap = bad - good
    count = min(_SIZES_PER_ROUND, gap - 1)
    return tuple(good + gap * step // (count + 1) for step in range(1, count + 1))


def serve(
    udp: socket.socket, peer: SockAddr, cookie: bytes, until: float, stop: threading.Event
) -> None:
    """Acknowledge each datagram of the peer with its size, and once more at full size."""
    _forbid_fragments(udp)
    with udp:
        while time.monotonic() < until and not stop.is_set():
            try:
                message, sender = udp.recvfrom(65_535)
            except OSError:
                continue
            if not same_host(sender, peer) or not message.startswith(cookie):
                continue
            with contextlib.suppress(OSError):
                udp.sendto(cookie + _SIZE.pack(len(message)), sender)
                udp.sendto(message, sender)


def discover(
    udp: socket.socket,
    remote: SockAddr,
    cookie: bytes,
    *,
    wait_s: float,
    interface_mtu_bytes: int,
    stop: threading.Event,
) -> PathMtu:
    """The path's MTU towards `remote`; each round waits `wait_s` for the last answer. Closes the socket."""
    _forbid_fragments(udp)
    with udp:
        udp.connect(remote)
        headers = _UDP_HEADER_BYTES + (40 if family_of(remote) == socket.AF_INET6 else 20)
        top = min(interface_mtu_bytes, _LARGEST_BYTES)
        seen = _Seen(udp=udp, cookie=cookie, headers=headers, stop=stop, wait_s=wait_s)
        good, bad = SMALLEST_BYTES, top + 1
        passed = seen.ask((good, top))
        if not passed:
            return PathMtu(mtu_bytes=None, interface_mtu_bytes=top, told=False)
        good = max(passed)
        if good == SMALLEST_BYTES:
            bad = top
        while (sizes := candidates(good, bad)) and not stop.is_set():
            passed = seen.ask(sizes)
            good = max((good, *passed))
            bad = min((bad, *(size for size in sizes if size > good)))
        if good < top or good not in seen.came_back:
            good = max((good, *seen.ask((top, good), patience=_PATIENCE)))
        return PathMtu(
            mtu_bytes=good,
            interface_mtu_bytes=top,
            told=good == top or _believed(udp, remote) < top,
            back_fits=good in seen.came_back,
        )


class _Seen:
    """Asks for sizes, remembers which came back whole."""

    def __init__(
        self,
        *,
        udp: socket.socket,
        cookie: bytes,
        headers: int,
        stop: threading.Event,
        wait_s: float,
    ) -> None:
        self._udp, self._cookie, self._headers = udp, cookie, headers
        self._stop, self._wait_s = stop, wait_s
        self.came_back: set[int] = set()

    def ask(self, sizes: tuple[int, ...], *, patience: float = 1.0) -> set[int]:
        """Those of the packet sizes that arrived at the far side, in up to three tries."""
        passed: set[int] = set()
        for _ in range(_TRIES):
            missing = [size for size in sizes if size not in passed]
            if not missing or self._stop.is_set():
                break
            for size in missing:
                self._send(size)
            self._listen(set(missing), passed, self._wait_s * patience)
        return passed

    def _send(self, size: int) -> None:
        message = self._cookie + bytes(size - self._headers - COOKIE_BYTES)
        try:
            self._udp.send(message)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                return  # an ICMP error about an earlier one; this one counts as lost

    def _listen(self, asked: set[int], passed: set[int], wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            if asked <= passed and asked <= self.came_back:
                return
            readable, _, _ = select.select([self._udp], [], [], min(left, TICK_S))
            if not readable:
                continue
            with contextlib.suppress(OSError):
                self._note(self._udp.recv(65_535), passed)

    def _note(self, message: bytes, passed: set[int]) -> None:
        if not message.startswith(self._cookie):
            return
        if len(message) == COOKIE_BYTES + _SIZE.size:
            passed.add(_SIZE.unpack_from(message, COOKIE_BYTES)[0] + self._headers)
        else:
            self.came_back.add(len(message) + self._headers)


def _forbid_fragments(udp: socket.socket) -> None:
    with contextlib.suppress(OSError):
        if udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
        else:
            udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)


def _believed(udp: socket.socket, remote: SockAddr) -> int:
    """What the kernel has been told of the path by now."""
    try:
        if family_of(remote) == socket.AF_INET6:
            return udp.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
        return udp.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    except OSError:
        return _LARGEST_BYTES
