"""Raw bytes between a Unix or loopback socket and a WebSocket, both ways, with half-close."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSMsgType

from homecluster.agent.channel import WebSocket

CHUNK_BYTES = 64 * 1024
END = "end"
"""The text message that says: this direction has ended, the other goes on."""


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: WebSocket) -> None:
    """Carry bytes until both directions have ended or one side is gone."""
    out = asyncio.create_task(_outward(reader, far))
    back = asyncio.create_task(_inward(far, writer))
    try:
        await asyncio.gather(out, back)
    except (ConnectionError, RuntimeError):
        pass  # either side went away: the other is told by closing
    finally:
        out.cancel()
        back.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
            async with asyncio.timeout(1.0):
                await far.close()


async def splice(one: WebSocket, other: WebSocket) -> None:
    """Carry messages between two WebSockets until one is gone."""
    ways = [asyncio.create_task(_along(one, other)), asyncio.create_task(_along(other, one))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        for end in (one, other):
            with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await end.close()


async def _outward(reader: asyncio.StreamReader, far: WebSocket) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        await far.send_bytes(chunk)
    await far.send_str(END)


async def _inward(far: WebSocket, writer: asyncio.StreamWriter) -> None:
    while True:
        frame = await far.receive()
        if frame.type is WSMsgType.BINARY:
            writer.write(frame.data)
            await writer.drain()
        elif frame.type is WSMsgType.TEXT and frame.data == END:
            if writer.can_write_eof():
                writer.write_eof()
            return
        else:
            raise ConnectionResetError("the far end is gone")


async def _along(source: WebSocket, sink: WebSocket) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            frame = await source.receive()
            if frame.type is WSMsgType.BINARY:
                await sink.send_bytes(frame.data)
            elif frame.type is WSMsgType.TEXT and frame.data == END:
                await sink.send_str(END)
            else:
                return
