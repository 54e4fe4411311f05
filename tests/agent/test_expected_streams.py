"""A stream that one member was asked for is brought, or refused, by that member alone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from homecluster.agent.channel import Channel, WebSocket
from homecluster.agent.expected_streams import ExpectedStreams
from homecluster.domain.ids import NodeId
from homecluster.errors import PeerError

B, C = NodeId("b"), NodeId("c")
SOCKET = cast("WebSocket", object())


class Asked:
    """Fulfils the sending part of a channel."""

    def __init__(self) -> None:
        self.dials: asyncio.Queue[Any] = asyncio.Queue()

    async def say(self, message: Any) -> None:
        self.dials.put_nowait(message)


async def asked_for(streams: ExpectedStreams) -> tuple[asyncio.Task[WebSocket], str]:
    """What waits for a stream of b, and the stream's id."""
    asked = Asked()
    opening = asyncio.create_task(streams.open(B, "job", cast("Channel", asked)))
    return opening, (await asked.dials.get()).stream


def test_only_the_member_that_was_asked_brings_the_stream_and_once() -> None:
    async def scene() -> None:
        streams = ExpectedStreams()
        opening, stream = await asked_for(streams)

        assert not streams.came(C, stream, SOCKET)
        assert not streams.came(B, "guessed", SOCKET)
        assert streams.came(B, stream, SOCKET)
        assert not streams.came(B, stream, SOCKET)
        assert await opening is SOCKET
        assert not streams.came(B, stream, SOCKET)

    asyncio.run(scene())


def test_only_the_member_that_was_asked_says_that_there_is_none() -> None:
    async def scene() -> None:
        streams = ExpectedStreams()
        opening, stream = await asked_for(streams)

        streams.failed(C, stream, "said by another")
        streams.failed(B, stream, "no such job")
        with pytest.raises(PeerError, match="no such job"):
            await opening

    asyncio.run(scene())
