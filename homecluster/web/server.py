"""The dashboard's own small web server: one page, one stream, one question."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from homecluster.errors import HomeclusterError, InputError
from homecluster.web.assets import asset, content_type
from homecluster.web.fence import HEADERS, Asked, refusal, served_hosts
from homecluster.web.login import SESSION_LIFE_S, Doorkeeper
from homecluster.web.login_page import locked, opened

COOKIE = "homecluster_session_{port}"
"""Browsers keep cookies by host, whatever the port: two pages of one PC must not throw out each other's guests."""
_MOST_BYTES = 4096
_MOST_STREAMS = 16
_MOST_QUESTIONS = 2
"""Searched at once: who drags wildly must not keep the page from being brought up to date."""
_MOST_WORDS = 300
log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_BEAT_EVERY_S = 15.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Source(Protocol):
    """Where the page's facts come from; called in a thread, since it reads files and asks members."""

    def page(self) -> dict[str, Any]: ...

    def what_if(self, asked: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(slots=True)
class _Latest:
    """The newest page as text, and who waits for the next one."""

    text: str
    number: int
    changed: asyncio.Condition


class Dashboard:
    """Builds the aiohttp application; `serve` runs it."""

    def __init__(self, source: Source, doorkeeper: Doorkeeper, host: str, port: int) -> None:
        self.guests: set[web.RequestHandler] = set()
        """Connections that have shown a session."""
        self._source = source
        self._doorkeeper = doorkeeper
        self._hosts = served_hosts(host, port)
        self._cookie = COOKIE.format(port=port)
        self._latest: _Latest | None = None
        self._streams = 0
        self._questions = asyncio.Semaphore(_MOST_QUESTIONS)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_BYTES)
        for method, path, handler in (
            ("GET", "/", self._index),
            ("GET", "/login", self._login),
            ("GET", "/static/{name:.+}", self._static),
            ("GET", "/api/page", self._page),
            ("GET", "/api/stream", self._stream),
            ("POST", "/api/what-if", self._what_if),
            ("*", "/{anything:.*}", _nowhere),
        ):
            # aiohttp answers an Expect header before our guard is asked.
            app.router.add_route(method, path, handler, expect_handler=_unexpected)
        app.cleanup_ctx.append(self._watching)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = Asked(
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            is_login=request.path == "/login",
        )
        if (why := refusal(asked, self._hosts)) is not None:
            return web.Response(status=403, text=why, headers=HEADERS)
        if self._knows(request):
            self.guests.add(request.protocol)
        elif not asked.is_login:
            return web.Response(
                status=401, text=locked(), content_type="text/html", headers=HEADERS
            )
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        except InputError as error:
            response = web.json_response({"error": error.message}, status=400)
        except HomeclusterError as error:
            response = web.json_response({"error": error.message}, status=503)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _knows(self, request: web.Request) -> bool:
        return self._doorkeeper.knows(request.cookies.get(self._cookie, ""), time.monotonic())

    async def _login(self, request: web.Request) -> web.StreamResponse:
        """Everybody is sent on to the page, which is locked to who is not let in: a guest whose cookie
        stayed behind, since a chat's link brought them here, has it again there.
        """
        let_in = web.Response(text=opened(), content_type="text/html")
        if self._knows(request):
            return let_in
        session = secrets.token_urlsafe(32)
        if not self._doorkeeper.enter(request.query.get("link", ""), session, time.monotonic()):
            return web.Response(status=403, text=locked(onward=True), content_type="text/html")
        let_in.set_cookie(
            self._cookie,
            session,
            httponly=True,
            samesite="Strict",
            max_age=int(SESSION_LIFE_S),
            path="/",
        )
        return let_in

    async def _index(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(text=asset("index.html"), content_type="text/html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        text = asset(name)
        if text is None:
            raise web.HTTPNotFound
        return web.Response(text=text, content_type=content_type(name))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        del request
        latest = await self._newest(after=0)
        return web.Response(text=latest.text, content_type="application/json")

    async def _what_if(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            asked = json.loads(await request.read())
        except (ValueError, RecursionError) as error:
            raise InputError("the question is not JSON") from error
        if not isinstance(asked, dict):
            raise InputError("the question is not an object")
        async with self._questions:
            return web.json_response(await asyncio.to_thread(self._source.what_if, asked))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= _MOST_STREAMS:
            raise web.HTTPServiceUnavailable(text="too many pages are open")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **HEADERS})
        self._streams += 1
        number = 0
        try:
            await response.prepare(request)
            while self._knows(request):
                try:
                    latest = await asyncio.wait_for(self._newest(after=number), _BEAT_EVERY_S)
                    number = latest.number
                    said = f"retry: 1000\nid: {number}\ndata: {latest.text}\n\n"
                except TimeoutError:
                    said = ": still here\n\n"
                async with asyncio.timeout(_BEAT_EVERY_S):
                    await response.write(said.encode())
        except (ConnectionError, TimeoutError):
            log.debug("a page was closed, or reads no more")
        finally:
            self._streams -= 1
        return response

    async def _newest(self, *, after: int) -> _Latest:
        latest = self._latest
        assert latest is not None
        async with latest.changed:
            await latest.changed.wait_for(lambda: latest.number > after)
        return latest

    async def _watching(self, app: web.Application) -> Any:
        del app
        self._latest = _Latest(text="", number=0, changed=asyncio.Condition())
        watch = asyncio.create_task(self._watch(self._latest))
        yield
        watch.cancel()

    async def _watch(self, latest: _Latest) -> None:
        """Looks once a second, and tells those who wait when something but the time changed."""
        shown: dict[str, Any] = {}
        while True:
            began_s = time.monotonic()
            try:
                page = await asyncio.to_thread(self._source.page)
                text = json.dumps(page, allow_nan=False)
            except (
                Exception
            ) as error:  # the boundary of this task: a page that stands still would look alive
                trouble = str(error)[:_MOST_WORDS]
                if shown.get("trouble") != trouble:
                    log.exception("the page could not be made")
                page = shown | {"trouble": trouble}
                text = json.dumps(page, allow_nan=False)
            if {**page, "made_at": ""} != {**shown, "made_at": ""}:
                shown = page
                async with latest.changed:
                    latest.text, latest.number = text, latest.number + 1
                    latest.changed.notify_all()
            took_s = time.monotonic() - began_s
            await asyncio.sleep(max(_LOOK_EVERY_S - took_s, took_s))


async def _nowhere(request: web.Request) -> web.StreamResponse:
    del request
    raise web.HTTPNotFound


async def _unexpected(request: web.Request) -> web.StreamResponse:
    del request
    return web.Response(status=417, headers=HEADERS)
