"""Asking and hearing, on loopback with a responder of our own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import cast

from homecluster.discovery.packets import question
from homecluster.discovery.peer_table import PeerTable
from homecluster.discovery.search import search
from homecluster.domain.home_network import HomeAddress
from tests.discovery.answers import CLUSTER, advert, answer
from tests.ports import unused_port

LOOPBACK = HomeAddress(interface="lo", address="127.0.0.1", prefix_bits=32)
"""Of one address: nothing to sweep."""


class Responder(asyncio.DatagramProtocol):
    """Answers every question with one packet, or a flood of junk first."""

    def __init__(self, packet: bytes, junk: int = 0) -> None:
        self._packet, self._junk = packet, junk
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert data == question()
        self.asked += 1
        for number in range(self._junk):
            self._transport.sendto(bytes([number % 256]) * 40, addr)
        self._transport.sendto(self._packet, addr)


@contextlib.asynccontextmanager
async def responding(port: int, packet: bytes, junk: int = 0) -> AsyncIterator[Responder]:
    loop = asyncio.get_running_loop()
    transport, responder = await loop.create_datagram_endpoint(
        lambda: Responder(packet, junk), local_addr=("127.0.0.1", port), family=socket.AF_INET
    )
    try:
        yield responder
    finally:
        transport.close()


def found(table: PeerTable) -> bool:
    return bool(table.of(CLUSTER))


def test_a_remembered_address_is_asked_directly() -> None:
    async def scene() -> PeerTable:
        port = unused_port()
        async with responding(port, answer(advert(), "127.0.0.1")):
            return await search(
                [LOOPBACK], remembered=["127.0.0.1"], port=port, look_s=15.0, enough=found
            )

    (seen,) = asyncio.run(scene()).of(CLUSTER)
    assert seen.advert == advert()
    assert seen.source == "127.0.0.1"


def test_junk_among_the_answers_is_passed_over() -> None:
    async def scene() -> PeerTable:
        port = unused_port()
        async with responding(port, answer(advert(), "127.0.0.1"), junk=50):
            return await search(
                [LOOPBACK], remembered=["127.0.0.1"], port=port, look_s=15.0, enough=found
            )

    assert asyncio.run(scene()).clusters() == (CLUSTER,)


def test_silence_ends_with_the_time_to_look() -> None:
    table = asyncio.run(search([LOOPBACK], port=unused_port(), look_s=0.1))
    assert table.clusters() == ()


def test_without_any_address_there_is_nothing_to_find() -> None:
    assert asyncio.run(search([], look_s=0.05)).clusters() == ()


def test_an_address_that_is_gone_does_not_keep_the_others_from_asking() -> None:
    gone = HomeAddress(interface="eth9", address="192.0.2.77", prefix_bits=24)

    async def scene() -> PeerTable:
        port = unused_port()
        async with responding(port, answer(advert(), "127.0.0.1")):
            return await search(
                [gone, LOOPBACK], remembered=["127.0.0.1"], port=port, look_s=15.0, enough=found
            )

    assert asyncio.run(scene()).clusters() == (CLUSTER,)
