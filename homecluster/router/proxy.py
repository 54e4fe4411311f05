"""One request on its way to a copy and back; elsewhere while nothing of an answer reached the client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from homecluster.router.admission import PASSED_BACK
from homecluster.router.events import (
    MAX_EVENT_BYTES,
    STREAM_TYPE,
    broken_off,
    error_document,
    is_last,
    split_events,
)
from homecluster.router.fleet import Fleet
from homecluster.router.upstream import ClosedWhileIdleError, LostError, Upstream

MAX_TRIES = 3
"""A request that kills engines must not go through all of them."""
MAX_ANSWER_BYTES = 256 * 1024**2
LAST_WORDS_WITHIN_S = 5.0
ENGINE_TROUBLE = (500, 502, 503, 504)
"""vLLM's answers while its engine dies or does not run yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, read whole, so that it can be asked again."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Nothing:
    """The copy gave no usable answer, and the client saw nothing of it."""

    said: web.Response | None
    """The copy's own refusal, should nobody else do better."""


async def pass_on(fleet: Fleet, request: web.Request, asked: Asked) -> web.StreamResponse:
    """The answer of the least loaded copy, or of another one where that fails before its first byte."""
    tried: set[str] = set()
    last: web.Response | None = None
    while len(tried) < MAX_TRIES and (seat := fleet.choose(tried)) is not None:
        tried.add(seat.name)
        answer = await _try(fleet, seat.name, request, asked)
        if not isinstance(answer, _Nothing):
            return answer
        last = answer.said or last
    if last is not None:
        return last
    words = "every copy that was asked failed" if tried else "no copy of the model answers now"
    return refused(503, words, {"Retry-After": "5"})


def refused(status: int, words: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error as OpenAI's clients read it."""
    return web.Response(
        status=status,
        body=error_document(status, words),
        content_type="application/json",
        headers=headers,
    )


async def _try(
    fleet: Fleet, name: str, request: web.Request, asked: Asked
) -> web.StreamResponse | _Nothing:
    relay = _Relay(fleet, name, request)
    with fleet.given(name) as wait:
        try:
            async with wait:
                return await _ask(fleet.upstreams[name], relay, asked)
        except LostError as error:
            fleet.doubt(name, f"it broke off: {type(error).__name__}")
    return await relay.after_loss()


async def _ask(upstream: Upstream, relay: _Relay, asked: Asked) -> web.StreamResponse | _Nothing:
    """Twice where the first connection was a kept one that the copy had closed meanwhile."""
    for again in (False, True):
        try:
            async with upstream.request(
                asked.method, asked.path, headers=asked.headers, body=asked.body
            ) as answer:
                return await relay.take(answer)
        except ClosedWhileIdleError as error:
            refused_at_once = isinstance(error, aiohttp.ClientConnectorError)
            if again or relay.has_begun or refused_at_once:
                raise
    raise AssertionError("the second attempt returns or raises")


class ClientGoneError(Exception):
    """The client hung up; no fault of the copy."""


class _Relay:
    """What has reached the client of one copy's answer."""

    def __init__(self, fleet: Fleet, name: str, request: web.Request) -> None:
        self._fleet = fleet
        self._name = name
        self._request = request
        self._sent: web.StreamResponse | None = None
        self.has_begun = False
        """The head of an answer came."""

    async def take(self, answer: aiohttp.ClientResponse) -> web.StreamResponse | _Nothing:
        """Bring an answer whose head is here to the client."""
        self.has_begun = True
        self._fleet.progressed(self._name)
        is_stream = answer.content_type == STREAM_TYPE
        return await (self._stream(answer) if is_stream else self._whole(answer))

    async def _whole(self, answer: aiohttp.ClientResponse) -> web.StreamResponse | _Nothing:
        """An answer that is not a stream reaches the client only when all of it is here."""
        body = bytearray()
        async for chunk in answer.content.iter_any():
            self._fleet.progressed(self._name)
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                return refused(502, "the answer is too large")
        response = web.Response(
            status=answer.status, body=bytes(body), headers=_headers_back(answer)
        )
        return _Nothing(response) if answer.status in ENGINE_TROUBLE else response

    async def _stream(self, answer: aiohttp.ClientResponse) -> web.StreamResponse | _Nothing:
        """Whole events, as they come; the head waits for the first of them."""
        pending, complete = b"", False
        async for chunk in answer.content.iter_any():
            self._fleet.progressed(self._name)
            events, pending = split_events(pending, chunk)
            if len(pending) > MAX_EVENT_BYTES:
                raise ConnectionError("an event without an end")
            if events:
                await self._send(answer, events)
                complete = is_last(events)
        if not complete:
            raise ConnectionError("the stream ended before its last event")
        assert self._sent is not None
        await self._sent.write_eof()
        return self._sent

    async def after_loss(self) -> web.StreamResponse | _Nothing:
        """Who saw part of an answer is told that the rest will not come."""
        if self._sent is None:
            return _Nothing(None)
        words = f"the copy {self._name} was lost in the middle of this answer; ask again"
        try:
            async with asyncio.timeout(LAST_WORDS_WITHIN_S):
                await self._sent.write(broken_off(words))
                await self._sent.write_eof()
        except (ConnectionError, TimeoutError) as error:
            raise ClientGoneError from error
        return self._sent

    async def _send(self, answer: aiohttp.ClientResponse, events: bytes) -> None:
        try:
            if self._sent is None:
                response = web.StreamResponse(status=answer.status, headers=_headers_back(answer))
                response.headers["X-Accel-Buffering"] = "no"
                await response.prepare(self._request)
                self._sent = response
            await self._sent.write(events)
        except ConnectionError as error:
            raise ClientGoneError from error


def _headers_back(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
