"""One copy as the router talks to it: over a local port, or a Unix socket that leads to another PC."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp

from homecluster.router.table import Backend

CONNECT_WITHIN_S = 10.0
"""The way to a copy on another PC is opened by a message over Wi-Fi."""
IDLE_S = 3.0
"""vLLM's server closes what was idle for 5 s: a request must not meet that."""
REQUESTS_BY_SOCKET = 56
ASIDES = 4
"""Questions of the router itself, which must not wait behind requests. The agent carries 64 connections of
a member at a time, its channel among them."""
HEALTH_WITHIN_S = 10.0
METRICS_WITHIN_S = 10.0
_MAX_TEXT_BYTES = 4 * 1024**2

LostError = (aiohttp.ClientError, ConnectionError, TimeoutError, OSError)
"""What a copy that is gone, or goes while it answers, makes of a call."""

ClosedWhileIdleError = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""What using a kept connection makes of its end, as long as no answer began."""


class Upstream:
    """Connections to one copy; `close` it. Made inside a running loop."""

    def __init__(self, backend: Backend, *, api_key: str | None, model: str) -> None:
        self._base = "http://copy" if backend.socket else f"http://{backend.host}:{backend.port}"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = self._opened(backend, REQUESTS_BY_SOCKET if backend.socket else 0)
        self._asides = self._opened(backend, ASIDES)

    def _opened(self, backend: Backend, limit: int) -> aiohttp.ClientSession:
        """At most `limit` connections at a time; 0: any number."""
        connector: aiohttp.BaseConnector
        if backend.socket is not None:
            connector = aiohttp.UnixConnector(
                path=backend.socket, limit=limit, keepalive_timeout=IDLE_S
            )
        else:
            connector = aiohttp.TCPConnector(limit=limit, keepalive_timeout=IDLE_S)
        return aiohttp.ClientSession(
            connector=connector,
            headers=self._headers,
            # No time limit on an answer: a long one is a good one. Who is silent is found otherwise.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()
        await self._asides.close()

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.client._RequestContextManager:
        """The answer's head; its body is read from it."""
        return self._session.request(
            method,
            self._base + path,
            headers=headers,
            data=body or None,
            allow_redirects=False,
        )

    async def token_came(self, within_s: float) -> bool:
        """Whether the copy completes one token when asked."""
        body = {"model": self._model, "prompt": "Hello", "max_tokens": 1, "temperature": 0}
        try:
            async with (
                asyncio.timeout(within_s),
                self._asides.post(self._base + "/v1/completions", json=body) as answer,
            ):
                said = await answer.json(content_type=None)
                return int(said["usage"]["completion_tokens"]) > 0
        except (*LostError, ValueError, LookupError, TypeError):
            return False

    async def is_healthy(self) -> bool:
        """Whether the copy's server says that its engine lives."""
        return await self._text("/health", HEALTH_WITHIN_S) is not None

    async def metrics(self) -> str | None:
        """The copy's Prometheus text; None when it does not give one."""
        return await self._text("/metrics", METRICS_WITHIN_S)

    async def _text(self, path: str, within_s: float) -> str | None:
        try:
            async with (
                asyncio.timeout(within_s),
                self._asides.get(self._base + path) as answer,
            ):
                if answer.status != 200:  # noqa: PLR2004 - an HTTP status
                    return None
                content = await answer.content.read(_MAX_TEXT_BYTES)
                return content.decode("utf-8", "replace")
        except LostError:
            return None
