"""The one address: lets requests in, and hands them to the copies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from homecluster.router import metrics
from homecluster.router.admission import (
    BODY_WITHIN_S,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    MAX_IN_FLIGHT,
    MAX_READING_BYTES,
    PASSED_ON,
    digest,
    refusal,
)
from homecluster.router.fleet import Fleet
from homecluster.router.proxy import Asked, ClientGoneError, pass_on, refused
from homecluster.router.quiet_log import quiet_about_bad_requests
from homecluster.router.table import Backend, Table
from homecluster.router.upstream import Upstream
from homecluster.router.watch import Patience, watch

log = logging.getLogger(__name__)
_IDLE_CLIENT_S = 75.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the router answers, and who may ask."""

    host: str
    port: int
    model: str
    """The name under which the copies know the model."""
    api_key: str | None = field(repr=False, default=None)
    copies_key: str | None = field(repr=False, default=None)
    """The key that the copies ask for; no client learns it."""


async def _expected(request: web.Request) -> web.StreamResponse | None:
    """The go-ahead that curl waits for; aiohttp's own way ends in a 500 when the header is no UTF-8."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return refused(417, "nothing but 100-continue can be expected")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None


class Router:
    """Copies join; `open` once enough of them served; `drain` before the end."""

    def __init__(
        self,
        address: Address,
        *,
        patience: Patience | None = None,
        tell: Callable[[str], None] = log.info,
    ) -> None:
        self._address = address
        self._patience = patience or Patience()
        self._fleet = Fleet(tell)
        self._key_digest = digest(address.api_key) if address.api_key else None
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._left: list[Upstream] = []
        self._runner: web.AppRunner | None = None
        self._closed_because: str | None = "the copies are starting"
        self._reading_bytes = 0

    @property
    def table(self) -> Table:
        return self._fleet.table

    async def start(self) -> None:
        """Listen; every request is told to come again until `open`.

        Raises:
            OSError: the address cannot be listened at.
        """
        quiet_about_bad_requests()
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle, expect_handler=_expected)
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,  # a client that hangs up must not keep a copy computing
            access_log=None,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            keepalive_timeout=_IDLE_CLIENT_S,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address.host, self._address.port).start()

    def join(self, backend: Backend) -> None:
        """One copy more, or another start of one; it is watched from now on."""
        address = self._address
        upstream = Upstream(backend, api_key=address.copies_key, model=address.model)
        before = self._fleet.join(backend, upstream)
        if before is not None:
            self._left.append(before)
            self._watches[backend.name].cancel()
        watching = watch(self._fleet, backend.name, self._patience)
        self._watches[backend.name] = asyncio.create_task(watching)

    def doubt(self, name: str, reason: str) -> None:
        """No new requests to the copy until it gives a token; those that it has go on."""
        self._fleet.doubt(name, reason)

    def lost(self, name: str, reason: str) -> None:
        """Somebody else knows that the copy cannot be reached now."""
        self._fleet.lost(name, reason)

    def over(self, name: str, reason: str) -> None:
        """The copy's engine is gone for good."""
        self._fleet.over(name, reason)

    def open(self) -> None:
        self._closed_because = None

    async def drain(self, within_s: float) -> None:
        """Take nothing new, and let what runs end; comes back after `within_s` at the latest."""
        self._closed_because = "the model is being taken down"
        deadline_s = asyncio.get_running_loop().time() + within_s
        while self.table.in_flight and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110 - as below
            await asyncio.sleep(_LOOK_S)  # the table is a value: nobody signals its change

    async def stop(self) -> None:
        for task in self._watches.values():
            task.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._fleet.close()
        for upstream in self._left:
            await upstream.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        no = refusal(
            method=request.method,
            path=request.path,
            headers=headers,
            key_digest=self._key_digest,
        )
        if no is not None:
            more = {"WWW-Authenticate": "Bearer"} if no.status == 401 else None  # noqa: PLR2004
            return refused(no.status, no.words, more)
        match request.path:
            case "/health":
                return self._health()
            case "/metrics":
                return await self._metrics()
        return await self._pass_on(request, headers)

    def _health(self) -> web.Response:
        if self._closed_because is not None:
            return refused(503, self._closed_because)
        if not self.table.serving:
            return refused(503, "no copy of the model answers now")
        return web.Response()

    async def _metrics(self) -> web.Response:
        names = [seat.name for seat in self.table.serving]
        found = await asyncio.gather(*(self._fleet.upstreams[name].metrics() for name in names))
        texts = {name: text for name, text in zip(names, found, strict=True) if text is not None}
        text = metrics.own(self.table) + metrics.merged(texts)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def _pass_on(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        if self._closed_because is not None:
            return refused(503, self._closed_because, {"Retry-After": "5"})
        if self.table.in_flight >= MAX_IN_FLIGHT:
            return refused(
                503, f"{MAX_IN_FLIGHT} requests are waiting already", {"Retry-After": "5"}
            )
        size = MAX_BODY_BYTES if request.content_length is None else request.content_length
        if self._reading_bytes + size > MAX_READING_BYTES:
            return refused(503, "too many large requests are coming in", {"Retry-After": "5"})
        self._reading_bytes += size
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await request.read()
        except TimeoutError:
            return refused(408, "the request's body did not come")
        except web.HTTPRequestEntityTooLarge:
            return refused(413, f"a request may have {MAX_BODY_BYTES} bytes")
        finally:
            self._reading_bytes -= size
        asked = Asked(
            method=request.method,
            path=request.path,
            headers={name: headers[name] for name in PASSED_ON if name in headers},
            body=body,
        )
        try:
            return await pass_on(self._fleet, request, asked)
        except ClientGoneError:
            return web.Response(status=499)
