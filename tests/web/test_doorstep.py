from __future__ import annotations

import asyncio

from aiohttp import web

from homecluster.web.doorstep import Doorstep


async def _nothing(request: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError(request)


class _Wire(asyncio.Transport):
    def close(self) -> None: ...


def test_the_oldest_strangers_go_and_guests_stay() -> None:
    async def play() -> None:
        server = web.Server(_nothing)
        guests: set[web.RequestHandler] = set()
        doorstep = Doorstep(server, guests)
        came = []
        for _ in range(100):
            connection = doorstep()
            connection.connection_made(_Wire())
            came.append(connection)
            if len(came) == 1:
                guests.add(connection)
        closed = [one._force_close for one in came]
        assert not closed[0]
        assert all(closed[1:36])
        assert not any(closed[36:])

    asyncio.run(play())
