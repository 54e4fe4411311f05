"""Streams that the coordinator asked members for, until they come or do not."""

from __future__ import annotations

import asyncio
import secrets

from homecluster.agent.channel import Channel, ClosedError, WebSocket
from homecluster.agent.messages import Dial
from homecluster.domain.ids import NodeId
from homecluster.errors import PeerError

_DIAL_S = 10.0


class ExpectedStreams:
    """Knows which member was asked for which stream; a guessed or stolen id brings nothing."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[NodeId, asyncio.Future[WebSocket]]] = {}

    async def open(self, node: NodeId, job: str, channel: Channel) -> WebSocket:
        """The connection that the member brings to its job's port.

        Raises:
            PeerError: it brings none.
        """
        stream = secrets.token_hex(16)
        future: asyncio.Future[WebSocket] = asyncio.get_running_loop().create_future()
        self._waiting[stream] = (node, future)
        try:
            await channel.say(Dial(stream=stream, job=job))
            async with asyncio.timeout(_DIAL_S):
                return await future
        except (TimeoutError, ClosedError):
            raise PeerError(f"{node} brought no stream to {job}") from None
        finally:
            self._waiting.pop(stream, None)

    def came(self, node: NodeId, stream: str, socket: WebSocket) -> bool:
        """Whether somebody waits for this stream of this member."""
        wanted = self._waiting.get(stream)
        if wanted is None or wanted[0] != node or wanted[1].done():
            return False
        wanted[1].set_result(socket)
        return True

    def failed(self, node: NodeId, stream: str, reason: str) -> None:
        wanted = self._waiting.get(stream)
        if wanted is not None and wanted[0] == node and not wanted[1].done():
            wanted[1].set_exception(PeerError(reason))
