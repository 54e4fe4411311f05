"""The one TCP listener of a cluster: who comes with a member's key gets a channel or a stream."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from homecluster.agent.channel import Channel, ClosedError
from homecluster.agent.coordinator import Coordinator, Live
from homecluster.agent.doorway import Doorway, refused
from homecluster.agent.folder import AgentFolder
from homecluster.agent.gate import Gate
from homecluster.agent.guard import REQUEST_S, expected, guard, nowhere, peer_key, say_little
from homecluster.agent.limits import (
    ASKS_PER_S,
    CONNECT_S,
    MAX_ANSWER_BYTES,
    MAX_BODY_BYTES,
    MAX_CONNECTIONS_PER_MEMBER,
)
from homecluster.agent.messages import (
    JOB,
    Answer,
    Ask,
    Beat,
    Ended,
    Hello,
    Message,
    NoStream,
    Welcome,
    message_from,
    refusal,
)
from homecluster.agent.pairing import NODE, member_of
from homecluster.agent.rate import Bucket
from homecluster.agent.safe_json import BadMessageError
from homecluster.agent.streams import CHUNK_BYTES, pump, splice
from homecluster.agent.trust import listener_context
from homecluster.agent.versions import told_to_far
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import MissingError, PeerError
from homecluster.router.quiet_log import quiet_about_bad_requests
from homecluster.store.cluster_state import Pin

log = logging.getLogger(__name__)
_BURST_S = 5.0
_SHUTDOWN_S = 1.0
DialJob = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


_ANYWHERE = "/{anything:.*}"


class Listener:
    """Serves one bound socket for one coordinator."""

    def __init__(self, folder: AgentFolder, coordinator: Coordinator, dial_job: DialJob) -> None:
        self._coordinator, self._dial_job = coordinator, dial_job
        self._doorway = Doorway(folder, coordinator.keeper)
        self._context = listener_context(folder)
        self._app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guard])
        self._app.on_response_prepare.append(say_little)
        router = self._app.router
        router.add_get("/v1/hello", self._doorway.hello, expect_handler=expected)
        router.add_post("/v1/join", self._doorway.join, expect_handler=expected)
        router.add_get("/v1/channel", self._channel, expect_handler=expected)
        router.add_get("/v1/stream", self._stream, expect_handler=expected)
        # aiohttp's own answer to what it does not know repeats the caller's headers before our guard sees them.
        router.add_route("*", _ANYWHERE, nowhere, expect_handler=expected)

    def paths(self) -> set[str]:
        """What it answers at all."""
        known = {resource.canonical for resource in self._app.router.resources()}
        return known - {_ANYWHERE.partition(":")[0] + "}"}

    async def serve(self, bound: socket.socket) -> None:
        """Until cancelled."""
        quiet_about_bad_requests()
        runner = web.AppRunner(
            self._app,
            access_log=None,
            keepalive_timeout=REQUEST_S,
            max_field_size=8190,
            shutdown_timeout=_SHUTDOWN_S,
        )
        await runner.setup()
        server = runner.server
        assert server is not None
        try:
            await Gate(bound, self._context, server, self._is_member).serve()
        finally:
            await self._coordinator.hang_up()
            await runner.cleanup()

    def _is_member(self, tls: ssl.SSLObject) -> bool:
        return self._pin(tls) is not None

    def _pin(self, tls: ssl.SSLObject | None) -> Pin | None:
        key = peer_key(tls)
        return None if key is None else member_of(self._coordinator.keeper.state, key)

    def _member(self, request: web.Request) -> Pin | web.Response:
        """The member that asks, or why it is none."""
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        key = peer_key(tls)
        if key is None:
            return refused(401, "only members of this cluster")
        pin = member_of(self._coordinator.keeper.state, key)
        if pin is None and key in self._coordinator.keeper.state.revoked:
            return refused(410, "this PC was put out of the cluster")
        if pin is None:
            return refused(403, "this PC is no member of the cluster")
        if self._coordinator.connections(pin.node) >= MAX_CONNECTIONS_PER_MEMBER:
            return refused(429, f"{MAX_CONNECTIONS_PER_MEMBER} connections of this PC are open")
        return pin

    # --- the channel ---

    async def _channel(self, request: web.Request) -> web.StreamResponse:
        pin = self._member(request)
        if isinstance(pin, web.Response):
            return pin
        web_socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_ANSWER_BYTES)
        await web_socket.prepare(request)
        channel = Channel(web_socket)
        with self._coordinator.holding(pin.node, web_socket):
            try:
                live = await self._greet(channel, pin, request.remote or "?")
                if live is not None:
                    await self._converse(live, pin)
            except (BadMessageError, ClosedError) as error:
                log.warning("channel of %s ended: %s", pin.node, error)
            finally:
                await channel.close()
        return web_socket

    async def _greet(self, channel: Channel, pin: Pin, address: str) -> Live | None:
        """The member's live channel once both have said hello."""
        try:
            async with asyncio.timeout(CONNECT_S):
                hello = message_from(await channel.socket.receive_str())
        except (TimeoutError, TypeError):
            return None
        if not isinstance(hello, Hello):
            raise BadMessageError("the first message is no hello")
        trouble = told_to_far(hello.oldest, hello.newest)
        if trouble is not None:
            await channel.say(Ended(reason=trouble, is_final=False))
            return None
        live = Live(channel, hello, address, pin.key_sha256)
        trouble = await self._coordinator.enter(pin.node, live)
        if trouble is not None:
            log.warning("%s refused: %s", pin.node, trouble)
            await channel.say(Ended(reason=trouble, is_final=False))
            return None
        state = self._coordinator.keeper.state
        await channel.say(Welcome(epoch=state.epoch, node=pin.node, role=pin.role))
        log.info("%s is here from %s", pin.node, address)
        return live

    async def _converse(self, live: Live, pin: Pin) -> None:
        bucket = Bucket(ASKS_PER_S, ASKS_PER_S * _BURST_S, time.monotonic)

        async def hear(message: Message) -> None:
            self._coordinator.hear(pin.node)
            match message:
                case Beat():
                    await live.channel.say(message)
                case Ask() if not bucket.take():
                    trouble = PeerError(f"more than {ASKS_PER_S:g} requests a second")
                    await live.channel.say(refusal(message.id, trouble))
                case Ask():
                    live.channel.spawn(self._answer(live, pin, message))
                case NoStream(stream=stream, reason=reason):
                    self._coordinator.streams.failed(pin.node, stream, reason)
                case _:
                    raise BadMessageError(f"a member does not say {type(message).__name__}")

        try:
            await live.channel.listen(hear)
        finally:
            self._coordinator.leave(pin.node, live)
            log.info("%s is gone", pin.node)

    async def _answer(self, live: Live, pin: Pin, ask: Ask) -> None:
        # The role as it is now: it may have changed since the channel was opened.
        now = member_of(self._coordinator.keeper.state, pin.key_sha256)
        if now is None:
            return
        vouched = Ask(
            id=ask.id,
            to=ask.to,
            verb=ask.verb,
            body=ask.body,
            deadline_s=ask.deadline_s,
            asker=now.node,
            role=now.role,
        )
        answer = await self._coordinator.ask(vouched)
        await live.channel.say(
            Answer(
                id=ask.id,
                body=answer.body,
                error=answer.error,
                message=answer.message,
                hint=answer.hint,
            )
        )

    # --- streams ---

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """`?id=` brings a stream that we asked for; `?to=&job=` asks for one."""
        pin = self._member(request)
        if isinstance(pin, web.Response):
            return pin
        web_socket = web.WebSocketResponse(compress=False, max_msg_size=2 * CHUNK_BYTES)
        query = request.query
        if "id" in query:
            await web_socket.prepare(request)
            with self._coordinator.holding(pin.node, web_socket):
                if self._coordinator.streams.came(pin.node, query["id"], web_socket):
                    await _until_closed(request)
            return web_socket
        node, job = query.get("to", ""), query.get("job", "")
        if pin.role is not Role.OPERATOR:
            return refused(403, "streams are for operators")
        if not NODE.fullmatch(node) or not JOB.fullmatch(job):
            return refused(400, "no such job")
        await web_socket.prepare(request)
        with self._coordinator.holding(pin.node, web_socket):
            await self._bring(NodeId(node), job, web_socket)
        return web_socket

    async def _bring(self, node: NodeId, job: str, near: web.WebSocketResponse) -> None:
        try:
            if node == self._coordinator.keeper.state.node:
                reader, writer = await self._dial_job(job)
                await pump(reader, writer, near)
            else:
                await splice(near, await self._coordinator.open_stream(node, job))
        except (PeerError, MissingError, OSError) as error:
            log.warning("no stream to %s of %s: %s", job, node, error)
            await near.close()


async def _until_closed(request: web.Request) -> None:
    """The handler must live as long as somebody else uses its WebSocket."""
    transport = request.transport
    while transport is not None and not transport.is_closing():  # noqa: ASYNC110 - transports have no event
        await asyncio.sleep(0.2)
