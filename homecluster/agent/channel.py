"""One open connection between coordinator and member: messages both ways, and answers to what was asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from homecluster.agent.messages import Answer, Ask, Message, message_from, text_of
from homecluster.agent.safe_json import BadMessageError
from homecluster.errors import PeerError

log = logging.getLogger(__name__)
WebSocket = web.WebSocketResponse | ClientWebSocketResponse
_SEND_S = 5.0
"""A peer that takes nothing for so long is gone."""


class ClosedError(Exception):
    """The connection ended before the answer came; asking again with the same id is safe."""


class Channel:
    """Owns the sending side of a WebSocket; `listen` owns the receiving one."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        return not self.socket.closed

    async def say(self, message: Message) -> None:
        """Send one message.

        Raises:
            ClosedError: the connection is gone.
        """
        try:
            async with asyncio.timeout(_SEND_S):
                await self.socket.send_str(text_of(message))
        except (ConnectionError, RuntimeError, TimeoutError) as error:
            raise ClosedError(str(error)) from error

    async def ask(self, ask: Ask) -> Answer:
        """What the other side answered.

        Raises:
            ClosedError: the connection ended first.
            PeerError: nothing came within the deadline.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if ask.id in self._waiting:
            raise PeerError("this request is already being asked")
        self._waiting[ask.id] = future
        try:
            await self.say(ask)
            async with asyncio.timeout(ask.deadline_s):
                return await future
        except TimeoutError:
            raise PeerError(f"no answer to {ask.verb} within {ask.deadline_s:g} s") from None
        finally:
            self._waiting.pop(ask.id, None)

    async def listen(self, hear: Callable[[Message], Awaitable[None]]) -> None:
        """Hand every message to `hear` until the connection ends; answers go to who waits for them.

        Raises:
            BadMessageError: the other side does not speak our protocol.
        """
        try:
            async for frame in self.socket:
                if frame.type is not WSMsgType.TEXT:
                    raise BadMessageError("not a text message")
                message = message_from(frame.data)
                if isinstance(message, Answer):
                    future = self._waiting.get(message.id)
                    if future is not None and not future.done():
                        future.set_result(message)
                else:
                    await hear(message)
        finally:
            self._end()

    def spawn(self, work: Awaitable[None]) -> None:
        """Do `work` beside the listening; it ends with the channel at the latest."""
        task = asyncio.ensure_future(_told(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._end()
        try:
            async with asyncio.timeout(1.0):
                await self.socket.close()
        except (TimeoutError, ConnectionError, RuntimeError):
            log.debug("connection did not close politely")

    def _end(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ClosedError("the connection ended"))


async def _told(work: Awaitable[None]) -> None:
    try:
        await work
    except ClosedError:
        return
    except Exception:
        # The boundary of one request: nobody awaits it, so its bug would vanish without a word.
        log.exception("work on the channel failed")
