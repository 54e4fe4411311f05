"""A tiny OpenAI-compatible server inside the test's own loop, which breaks in the ways that engines break."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.ports import unused_port

KEY = "key-between-router-and-copies"


@dataclass
class FakeCopy:
    """Set `behaviour` at any time: it holds for the next request."""

    name: str
    behaviour: str = "good"
    """`good`, `refuses` (500), `hangs`, `breaks-before` (head only), `breaks-within`, `stops-short`."""
    socket: Path | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Paths of requests other than one-token questions."""
    keys: set[str] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """What a `hangs` request waits for."""
    cancelled: int = 0
    """Requests whose client hung up."""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        if self.socket is not None:
            await web.UnixSite(self._runner, str(self.socket)).start()
            return
        self.port = self.port or unused_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def die(self) -> None:
        """Connections are cut, nobody listens any more."""
        assert self._runner is not None
        for server in (self._runner.server,):
            for connection in list(server.connections) if server else ():
                if connection.transport is not None:
                    connection.transport.abort()
        await self._runner.cleanup()
        self._runner = None

    async def stop(self) -> None:
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.keys.add(request.headers.get("Authorization", ""))
        if request.path == "/health":
            return web.Response(status=503 if self.behaviour == "ill" else 200)
        if request.path == "/metrics":
            return web.Response(text="# HELP x X.\n# TYPE x gauge\nx 1\n")
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "m"}]})
        body = json.loads(await request.read())
        if body.get("max_tokens") == 1:
            return await self._one_token()
        self.asked.append(request.path)
        try:
            return await self._answer(request, stream=bool(body.get("stream")))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _one_token(self) -> web.Response:
        if self.behaviour in ("hangs", "silent"):
            await self.released.wait()
        return web.json_response({"usage": {"completion_tokens": 1}})

    async def _answer(self, request: web.Request, *, stream: bool) -> web.StreamResponse:
        if self.behaviour == "refuses":
            return web.json_response({"error": {"message": "EngineDeadError"}}, status=500)
        if self.behaviour == "says-no":
            return web.json_response({"error": {"message": "too long"}}, status=400)
        if self.behaviour in ("hangs", "silent"):
            await self.released.wait()
        if not stream:
            return web.json_response({"from": self.name, "usage": {"completion_tokens": 3}})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.behaviour == "breaks-before":
            return self._cut(request, response)
        for number in range(3):
            await response.write(
                b'data: {"from": "%s", "n": %d}\n\n' % (self.name.encode(), number)
            )
            if self.behaviour == "waits-within":
                await self.released.wait()
            if self.behaviour == "breaks-within":
                await response.write(b'data: {"from": "half of an ev')
                return self._cut(request, response)
        if self.behaviour != "stops-short":
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _cut(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return response
