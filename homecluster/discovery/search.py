"""Asking the home network who offers a cluster: by multicast, and one address at a time where that is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from typing import Final

from homecluster.discovery.networks import swept
from homecluster.discovery.packets import MAX_PACKET_BYTES, Sighting, question, sightings
from homecluster.discovery.peer_table import PeerTable, noted
from homecluster.domain.home_network import HomeAddress

MDNS_GROUP: Final = "224.0.0.251"
MDNS_PORT: Final = 5353
_ASKED_AT_S: Final = (0.0, 0.3, 1.0, 2.0)
"""Radio loses multicast: the question is repeated."""
_SWEPT_AT_S: Final = (0.6, 1.6)
"""A responder may take half a second before it answers a multicast question."""
_BATCH: Final = 32
_BATCH_PAUSE_S: Final = 0.01
"""254 packets in 80 ms: no burst that an access point would drop."""
_MAX_PACKETS_PER_S: Final = 500
_TTL: Final = 1

Enough = Callable[[PeerTable], bool]
_Road = tuple[asyncio.DatagramTransport, HomeAddress]
"""A socket on one of our addresses."""


async def search(
    own: Sequence[HomeAddress],
    *,
    known: frozenset[str] = frozenset(),
    remembered: Sequence[str] = (),
    look_s: float = 2.5,
    sweep: bool = True,
    multicast: bool = True,
    enough: Enough = lambda _: False,
    port: int = MDNS_PORT,
) -> PeerTable:
    """Everything that answered within `look_s`, or as soon as there is `enough`.

    Remembered addresses are asked directly at once; the sweep of our own /24 starts only while
    nothing has satisfied `enough`, and only with `sweep`: on radio it costs everybody airtime.
    Without `multicast` only remembered addresses are asked.
    Nothing here is trusted: it yields addresses to try.
    """
    asked = (MDNS_GROUP, *remembered) if multicast else remembered
    listener = _Listener(tuple(one.network for one in own), known)
    roads: list[_Road] = []
    try:
        for one in own:
            with contextlib.suppress(OSError):  # the address went away a moment ago
                roads.append((await _open(listener, one.address), one))
        work = asyncio.create_task(_ask(roads, asked, port, sweep=sweep))
        try:
            await listener.until(enough, look_s)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    finally:
        for transport, _ in roads:
            transport.close()
    return listener.table


async def _open(listener: _Listener, address: str) -> asyncio.DatagramTransport:
    raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        raw.bind((address, 0))
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: listener, sock=raw)
    except OSError:
        raw.close()
        raise
    return transport


async def _ask(
    roads: Sequence[_Road],
    addresses: Sequence[str],
    port: int,
    *,
    sweep: bool,
) -> None:
    begin = time.monotonic()
    swept_at_s = _SWEPT_AT_S if sweep else ()
    steps = sorted([(at, "group") for at in _ASKED_AT_S] + [(at, "sweep") for at in swept_at_s])
    for at, what in steps:
        await asyncio.sleep(max(0.0, begin + at - time.monotonic()))
        if what == "sweep":
            for transport, one in roads:
                await _sweep(transport, one, port)
            continue
        for transport, _ in roads:
            for address in addresses:
                transport.sendto(question(), (address, port))


async def _sweep(transport: asyncio.DatagramTransport, one: HomeAddress, port: int) -> None:
    for count, address in enumerate(swept([one]), 1):
        transport.sendto(question(), (address, port))
        if count % _BATCH == 0:
            await asyncio.sleep(_BATCH_PAUSE_S)


class _Listener(asyncio.DatagramProtocol):
    """Notes answers, a bounded number per second."""

    def __init__(self, networks: tuple[IPv4Network, ...], known: frozenset[str]) -> None:
        self.table = PeerTable(known=known, refilled_at_s=time.monotonic())
        self._networks = networks
        self._news = asyncio.Event()
        self._second = 0
        self._this_second = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now_s = time.monotonic()
        if not self._may_read(int(now_s)) or len(data) > MAX_PACKET_BYTES:
            return
        for one in sightings(data, addr[0], self._networks):
            self._note(one, now_s)

    def error_received(self, exc: Exception) -> None:
        """An address of the sweep that answers `nobody listens here` is no news."""

    async def until(self, enough: Enough, look_s: float) -> None:
        """Return when the table satisfies it or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(look_s):
                while not enough(self.table):
                    self._news.clear()
                    await self._news.wait()

    def _may_read(self, second: int) -> bool:
        if second != self._second:
            self._second, self._this_second = second, 0
        self._this_second += 1
        return self._this_second <= _MAX_PACKETS_PER_S

    def _note(self, sighting: Sighting, now_s: float) -> None:
        table = noted(self.table, sighting, now_s)
        if table.peers is not self.table.peers:
            self._news.set()
        self.table = table
