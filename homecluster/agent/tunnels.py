"""Unix sockets of this PC behind which jobs of other PCs answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from homecluster.agent.streams import CHUNK_BYTES
from homecluster.errors import HomeclusterError

log = logging.getLogger(__name__)
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""One connection, as asyncio gives it."""


class Tunnels:
    """The listening sockets, one for each job that was asked for; they end with the agent."""

    def __init__(self) -> None:
        self._servers: dict[Path, asyncio.Server] = {}
        self._lock = asyncio.Lock()

    async def open(self, path: Path, carry: Callable[[Ends], Awaitable[None]]) -> None:
        """Have `carry` called with each connection to `path`; nothing new if it is open already."""

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await carry((reader, writer))
            except (HomeclusterError, OSError) as error:
                log.warning("tunnel %s: %s", path.name, error)
            finally:
                writer.close()

        async with self._lock:
            if path not in self._servers:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                self._servers[path] = await asyncio.start_unix_server(take, path)
                await asyncio.to_thread(path.chmod, 0o600)

    def close(self) -> None:
        for path, server in self._servers.items():
            server.close()
            path.unlink(missing_ok=True)


async def join_local(one: Ends, other: Ends) -> None:
    """Carry bytes between two local connections until both directions have ended."""
    try:
        await asyncio.gather(_along(one[0], other[1]), _along(other[0], one[1]))
    finally:
        other[1].close()


async def _along(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
