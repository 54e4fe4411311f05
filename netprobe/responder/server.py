"""The one port that listens: lets callers in who hold the token or a ticket, a few at a time."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from netprobe import __version__
from netprobe.control import handshake
from netprobe.control.channel import Channel
from netprobe.control.fields import MAX_REQUEST_BYTES, Document, MalformedError
from netprobe.control.handshake import Hello, agree, parse_hello, proof
from netprobe.control.messages import failure_document
from netprobe.errors import MissingError
from netprobe.probes import iperf3
from netprobe.probes.interface import interface_of
from netprobe.probes.trouble import ProbeError
from netprobe.report import interface_document
from netprobe.responder.session import Onwards, Session
from netprobe.types import DEFAULT_PORT, FailureKind

TICKET_S: Final = 120.0
_MAX_TICKETS: Final = 64
_MAX_CALLERS: Final = 64
_MAX_CALLERS_PER_HOST: Final = 8
_REFUSAL_S: Final = 1.0


class Responder:
    """`await start()`, then it serves until `await close()`; also an async context manager.

    Without a token anyone who reaches `binds` may measure, so bind loopback or one chosen address.
    """

    def __init__(
        self,
        *,
        binds: Sequence[str] = ("127.0.0.1",),
        port: int = DEFAULT_PORT,
        token: bytes | None = None,
        onward: Onwards | None = None,
        engine_python: Path | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._binds = tuple(binds)
        self._port = port
        self._token = token
        self._log = log
        self.onward = onward
        self.engine_python = engine_python
        self._servers: list[asyncio.Server] = []
        self._callers: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tickets: dict[str, tuple[bytes, float]] = {}
        self._measuring: Session | None = None
        self._iperf3: str | None = None

    @property
    def port(self) -> int:
        """The one that it listens on; with `port=0`, known after start."""
        return self._port

    async def start(self) -> None:
        """Listen on every address, or on none.

        Raises:
            MissingError: the port is taken or an address is not this PC's.
        """
        self._iperf3 = await iperf3.version()
        for bind in self._binds:
            try:
                server = await asyncio.start_server(
                    self._accepted, bind, self._port, limit=MAX_REQUEST_BYTES
                )
            except OSError as error:
                await self.close()
                raise MissingError(
                    f"cannot listen on {bind} port {self._port}: {error.strerror or error}",
                    hint="another program has the port (choose one with --port), or the address is not this PC's.",
                ) from error
            self._servers.append(server)
            self._port = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end every session and its measurements."""
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=10.0)
        self._servers.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def describe(self, channel: Channel) -> Document:
        interface = interface_of(str(channel.local[0]))
        return {
            "name": socket.gethostname(),
            "version": __version__,
            "iperf3": self._iperf3,
            "interface": interface_document(interface),
        }

    def claim(self, session: Session) -> ProbeError | None:
        if self._measuring not in {None, session}:
            assert self._measuring is not None
            return ProbeError(
                FailureKind.BUSY,
                f"the far side is measuring with {self._measuring.peer}; try again soon",
            )
        self._measuring = session
        return None

    def release(self, session: Session) -> None:
        if self._measuring is session:
            self._measuring = None

    def ticket(self) -> str:
        now = time.monotonic()
        self._tickets = {name: entry for name, entry in self._tickets.items() if entry[1] > now}
        if len(self._tickets) >= _MAX_TICKETS:
            raise ProbeError(FailureKind.BUSY, "too many tickets are out")
        name, secret = secrets.token_hex(8), secrets.token_hex(32)
        self._tickets[name] = (secret.encode(), now + TICKET_S)
        return f"{name}:{secret}"

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername", ("?",))[0])
        if self._callers[peer] >= _MAX_CALLERS_PER_HOST or len(self._tasks) >= _MAX_CALLERS:
            writer.transport.abort()
            return
        self._callers[peer] += 1
        task = asyncio.create_task(self._serve(Channel(reader, writer), peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, channel: Channel, peer: str) -> None:
        try:
            async with asyncio.timeout(handshake.TIMEOUT_S):
                admitted = await self._admit(channel)
            if admitted:
                await Session(channel, self).run()
        except ProbeError as error:
            self._log(f"{peer}: {error}")
        except TimeoutError:
            self._log(f"{peer}: was silent")
        finally:
            self._callers[peer] -= 1
            self._callers += Counter()  # forget hosts without callers
            await channel.close()

    async def _admit(self, channel: Channel) -> bool:
        """Versions, then proofs: the caller's first, so that a stranger learns nothing."""
        try:
            caller = parse_hello(await channel.receive(handshake.TIMEOUT_S))
        except MalformedError as error:
            raise ProbeError(FailureKind.WRONG_SERVICE, f"a stranger knocked: {error}") from error
        ours = Hello(
            oldest=handshake.OLDEST_VERSION,
            newest=handshake.NEWEST_VERSION,
            nonce=secrets.token_bytes(handshake.NONCE_BYTES),
            secret="token" if self._token else "none",
        )
        await channel.send(ours.document(), handshake.TIMEOUT_S)
        if agree(caller, far_name="the caller")[0] is None:
            return False  # the caller saw our versions and says what to upgrade
        secret = self._secret(caller.secret)
        answer = await channel.receive(handshake.TIMEOUT_S)
        shown = answer.get("proof")
        expected = proof(
            secrets.token_bytes(32) if secret is None else secret, "client", caller, ours
        ).hex()
        if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), expected.encode()):
            with contextlib.suppress(ProbeError):
                await channel.send(
                    failure_document(FailureKind.UNAUTHORISED, self._refusal(caller.secret)),
                    _REFUSAL_S,
                )
            raise ProbeError(FailureKind.UNAUTHORISED, "did not know the token")
        assert secret is not None
        await channel.send(
            {"proof": proof(secret, "server", caller, ours).hex()}, handshake.TIMEOUT_S
        )
        channel.seal(proof(secret, "session", caller, ours), "server")
        return True

    def _secret(self, named: str) -> bytes | None:
        kind, _, ticket = named.partition(":")
        if kind == "ticket":
            secret, until = self._tickets.pop(ticket, (None, 0.0))
            return secret if time.monotonic() < until else None
        if self._token is None:
            return b""  # open to all: the proof then only shows that nobody altered the first lines
        return self._token if kind == "token" else None

    def _refusal(self, named: str) -> str:
        if named.startswith("ticket:"):
            return "the far side does not know this ticket (any more)"
        if named == "none":
            return "the far side wants a token: give the one it was started with by --token-file"
        return "the far side was started with another token"
