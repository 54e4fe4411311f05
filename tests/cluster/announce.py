"""`python -m tests.cluster.announce NAME PORT`: what a coordinator announces, without its agent."""

from __future__ import annotations

import asyncio
import sys

from homecluster.discovery.advertise import advertised
from homecluster.inventory.home_network import read_home_addresses
from tests.discovery.answers import advert


async def _announce(name: str, port: int) -> None:
    def addresses() -> tuple[str, ...]:
        return tuple(one.address for one in read_home_addresses())

    async with advertised(advert(name=name, port=port), addresses, reread_s=0.5):
        print("announcing", flush=True)  # noqa: T201 - the test waits for it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_announce(sys.argv[1], int(sys.argv[2])))
