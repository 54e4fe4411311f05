"""The control connection: JSON lines with bounded length, time and, once both ends are known, a seal."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import socket
from typing import Final

from netprobe.control.fields import (
    MAX_REQUEST_BYTES,
    Document,
    MalformedError,
    decode,
    encode,
)
from netprobe.probes.ports import SockAddr
from netprobe.probes.trouble import ProbeError, from_os_error
from netprobe.types import FailureKind

_SEAL_CHARS: Final = 64
_CLOSE_S: Final = 1.0
_DEAD_AFTER_MS: Final = 6000
"""Unanswered data for that long ends the connection: a cut link is noticed in seconds, not minutes."""


class Channel:
    """One end of the control connection; `local` and `peer` are its two addresses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._key: bytes | None = None
        self._counts = {"out": 0, "in": 0}
        self._role = ""
        self.local: SockAddr = writer.get_extra_info("sockname")
        self.peer: SockAddr = writer.get_extra_info("peername")
        _notice_death(writer.get_extra_info("socket"))

    def seal(self, key: bytes, role: str) -> None:
        """From here on every line carries an HMAC over its direction, its number and its text."""
        self._key, self._role = key, role

    async def send(self, document: Document, timeout_s: float) -> None:
        """Raises ProbeError when the line cannot be handed over in time."""
        line = encode(document)
        if self._key is not None:
            line = self._seal_of(line, "out", self._role).encode() + b" " + line
        try:
            async with asyncio.timeout(timeout_s):
                self._writer.write(line)
                await self._writer.drain()
        except OSError as error:
            raise from_os_error(error, "talking to the far side") from error

    async def receive(self, timeout_s: float) -> Document:
        """The next line; blank lines are passed over.

        Raises:
            ProbeError: peer_lost at its end, timed_out, wrong_service when it is no JSON line.
        """
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._line()
        except TimeoutError as error:
            raise ProbeError(
                FailureKind.TIMED_OUT, f"the far side said nothing for {timeout_s:.0f} s"
            ) from error
        except OSError as error:
            raise from_os_error(error, "talking to the far side") from error
        try:
            return decode(self._unsealed(line))
        except MalformedError as error:
            raise ProbeError(
                FailureKind.WRONG_SERVICE, f"the far side does not speak netprobe: {error}"
            ) from error

    async def _line(self) -> bytes:
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                raise _ended(error.partial) from error
            except asyncio.LimitOverrunError as error:
                raise ProbeError(
                    FailureKind.WRONG_SERVICE, "the far side does not speak netprobe: endless line"
                ) from error
            if line.strip():
                return line

    def _unsealed(self, line: bytes) -> bytes:
        if self._key is None:
            return line
        seal, _, body = line.partition(b" ")
        far_role = "server" if self._role == "client" else "client"
        if not hmac.compare_digest(seal, self._seal_of(body, "in", far_role).encode()):
            raise MalformedError("a line does not carry the seal of this session")
        return body

    def _seal_of(self, body: bytes, direction: str, role: str) -> str:
        assert self._key is not None
        count = self._counts[direction]
        self._counts[direction] += 1
        message = f"{role} {count} ".encode() + body
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:_SEAL_CHARS]

    async def close(self) -> None:
        """Close without waiting longer than a second for what is still unsent."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()


def _ended(partial: bytes) -> ProbeError:
    if partial.strip():
        return ProbeError(
            FailureKind.WRONG_SERVICE, "the far side does not speak netprobe: it sent half a line"
        )
    return ProbeError(FailureKind.PEER_LOST, "the far side closed the connection")


def _notice_death(raw: socket.socket | None) -> None:
    if raw is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)


async def connect(host: str, port: int, *, limit_bytes: int, timeout_s: float) -> Channel:
    """A channel to the far side, nothing said yet.

    Raises:
        ProbeError: refused, no_route, unknown_host, timed_out, not_permitted.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, limit=limit_bytes)
    except OSError as error:
        raise from_os_error(_first(error), f"connecting to {host} port {port}") from error
    except UnicodeError as error:
        raise ProbeError(FailureKind.UNKNOWN_HOST, f"{host!r} is not a host name") from error
    return Channel(reader, writer)


def _first(error: OSError) -> OSError:
    """asyncio sums the errors of several addresses up in a text; the first of them has the errno."""
    told = re.search(r"\[Errno (\d+)\]", str(error))
    if error.errno is None and told is not None:
        return OSError(int(told.group(1)), str(error))
    return error


__all__ = ["MAX_REQUEST_BYTES", "Channel", "connect"]
