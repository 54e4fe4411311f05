"""What is announced, and that trouble with the network stays out of the way."""

from __future__ import annotations

import asyncio

from homecluster.discovery.advertise import advertised, service_info
from homecluster.discovery.records import SERVICE
from tests.discovery.answers import CLUSTER, advert


def test_the_records_name_only_the_cluster() -> None:
    info = service_info(advert(name="Anna's desk"), ("10.77.0.2",))
    assert info.name == f"Anna-s-desk-{CLUSTER[:8]}.{SERVICE}"
    assert info.parsed_addresses() == ["10.77.0.2"]
    assert info.properties == {b"v": b"1", b"id": CLUSTER.encode()}


def test_a_pc_without_an_address_waits_for_one() -> None:
    async def scene() -> None:
        asked: asyncio.Queue[None] = asyncio.Queue()

        def none_yet() -> tuple[str, ...]:
            asked.put_nowait(None)
            return ()

        async with advertised(advert(), none_yet, reread_s=0.001), asyncio.timeout(15):
            for _ in range(3):
                await asked.get()

    asyncio.run(scene())
