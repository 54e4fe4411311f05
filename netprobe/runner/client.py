"""The near end of the control connection: proves itself, asks, and notices when the far side is gone."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

from netprobe.control import handshake
from netprobe.control.channel import Channel, connect
from netprobe.control.fields import (
    MAX_REPLY_BYTES,
    Document,
    MalformedError,
    child,
    hex_bytes,
    integer,
)
from netprobe.control.handshake import Hello, agree, parse_hello, proof
from netprobe.control.messages import Finish, Open, Request, failure_in, request_document
from netprobe.probes.ports import COOKIE_BYTES, SockAddr, with_port
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

T = TypeVar("T")

REPLY_S: Final = 8.0
CONNECT_S: Final = 3.0
_FOREVER_S: Final = 3600.0


class Client:
    """An authenticated control connection to one responder."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: dict[int, asyncio.Future[Document]] = {}
        self._asked = 0
        self._listener = asyncio.create_task(self._listen())
        self.local: SockAddr = channel.local
        self.peer: SockAddr = channel.peer

    @property
    def lost(self) -> bool:
        return self._listener.done()

    async def _listen(self) -> None:
        while True:
            reply = await self._channel.receive(_FOREVER_S)
            number = reply.get("number")
            waiting = self._waiting.get(number) if isinstance(number, int) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)

    async def ask(self, request: Request, timeout_s: float = REPLY_S) -> Document:
        """What the far side answers.

        Raises:
            ProbeError: its failure, or that it is gone or silent.
        """
        self._asked += 1
        number = self._asked
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._channel.send({**request_document(request), "number": number}, timeout_s)
                reply = await self.guard(_result(self._waiting[number]))
        except TimeoutError as error:
            raise ProbeError(
                FailureKind.TIMED_OUT, f"the far side did not answer within {timeout_s:.0f} s"
            ) from error
        finally:
            del self._waiting[number]
        if (failure := failure_in(reply, "control")) is not None:
            raise ProbeError(failure.kind, failure.detail)
        try:
            return child(reply, "ok")
        except MalformedError as error:
            raise _nonsense(error) from error

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns, given up as soon as the control connection breaks.

        Raises:
            ProbeError: peer_lost or timed_out, as the connection broke; or what `work` raised.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, self._listener}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._listener.result()  # raises why the connection broke
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def close(self) -> None:
        self._listener.cancel()
        await asyncio.wait({self._listener})
        if not self._listener.cancelled():
            self._listener.exception()  # looked at: it was told where it mattered
        await self._channel.close()


async def _result(future: asyncio.Future[T]) -> T:
    return await future


class Measuring:
    """One measuring port that the far side opened for us."""

    def __init__(self, client: Client, number: int, remote: SockAddr, cookie: bytes) -> None:
        self._client = client
        self._number: int | None = number
        self.local, self.remote, self.cookie = client.local, remote, cookie

    async def finish(self, *, wanted: bool = True) -> Document:
        """What the far side saw, its part being through; closes its port."""
        assert self._number is not None
        number, self._number = self._number, None
        return await self._client.ask(Finish(id=number, wanted=wanted))

    async def close(self) -> None:
        """Close the far side's port unless finished; trouble here was told already."""
        if self._number is not None and not self._client.lost:
            with contextlib.suppress(ProbeError):
                await self.finish(wanted=False)


@contextlib.asynccontextmanager
async def measuring(
    client: Client, measurement: str, duration_s: float
) -> AsyncIterator[Measuring]:
    """An open measuring port at the far side, closed on leaving."""
    reply = await client.ask(Open(measurement=measurement, duration_s=duration_s))
    try:
        opened = Measuring(
            client,
            integer(reply, "id", low=0, high=1_000_000),
            with_port(client.peer, integer(reply, "port", low=1, high=65535)),
            hex_bytes(reply, "cookie", size=COOKIE_BYTES),
        )
    except MalformedError as error:
        raise _nonsense(error) from error
    try:
        yield opened
    finally:
        await opened.close()


@contextlib.asynccontextmanager
async def connected(
    host: str, port: int, *, token: bytes | None, ticket: str | None = None
) -> AsyncIterator[Client]:
    """A client of the responder at host:port, both ends having proved the same secret.

    `ticket` ("name:secret") is used instead of the token where given.

    Raises:
        ProbeError: refused, no_route, unknown_host, timed_out, wrong_service, version, unauthorised.
    """
    channel = await connect(host, port, limit_bytes=MAX_REPLY_BYTES, timeout_s=CONNECT_S)
    try:
        await _prove(channel, f"{host} port {port}", token, ticket)
        client = Client(channel)
    except BaseException:
        await channel.close()
        raise
    try:
        yield client
    finally:
        await client.close()


async def _prove(channel: Channel, far_name: str, token: bytes | None, ticket: str | None) -> None:
    named, secret = _secret(token, ticket)
    ours = Hello(
        oldest=handshake.OLDEST_VERSION,
        newest=handshake.NEWEST_VERSION,
        nonce=secrets.token_bytes(handshake.NONCE_BYTES),
        secret=named,
    )
    await channel.send(ours.document(), handshake.TIMEOUT_S)
    try:
        theirs = parse_hello(await channel.receive(handshake.TIMEOUT_S))
    except MalformedError as error:
        raise _nonsense(error) from error
    version, refusal = agree(theirs, far_name=far_name)
    if version is None:
        raise ProbeError(FailureKind.VERSION, refusal)
    if theirs.secret == "none" and ticket is None:  # noqa: S105 - the name of a secret, not one
        secret = b""
        if token is not None:
            raise ProbeError(
                FailureKind.UNAUTHORISED,
                f"{far_name} was started without a token: start it with the same --token-file, or leave yours out",
            )
    await channel.send({"proof": proof(secret, "client", ours, theirs).hex()}, handshake.TIMEOUT_S)
    answer = await channel.receive(handshake.TIMEOUT_S)
    if (failure := failure_in(answer, "control")) is not None:
        raise ProbeError(failure.kind, failure.detail)
    if answer.get("proof") != proof(secret, "server", ours, theirs).hex():
        raise ProbeError(FailureKind.UNAUTHORISED, f"{far_name} does not know the token")
    channel.seal(proof(secret, "session", ours, theirs), "client")


def _secret(token: bytes | None, ticket: str | None) -> tuple[str, bytes]:
    """(its name on the wire, the secret)."""
    if ticket is not None:
        name, _, secret = ticket.partition(":")
        return f"ticket:{name}", secret.encode()
    return ("token", token) if token else ("none", b"")


def _nonsense(error: MalformedError) -> ProbeError:
    return ProbeError(FailureKind.WRONG_SERVICE, f"the far side does not speak netprobe: {error}")
