"""ASGI middleware before vLLM's API: a list of open paths, the key on all of them, and no rebinding.

vLLM's own `--api-key` guards /v1 and a few more; /invocations, /tokenize, /scale_elastic_ep
and others stay open to anyone who reaches the port.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

KEY_VARIABLE = "VLLM_API_KEY"
OPEN_PREFIXES = ("/v1/",)
OPEN_PATHS = ("/health", "/ping", "/metrics", "/version", "/load", "/tokenize", "/detokenize")
LOCAL_NAMES = ("localhost",)

Scope = MutableMapping[str, Any]  # the ASGI specification's own type
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    """Lets a request through to `app`, or answers 401, 403 or 404 itself."""

    def __init__(self, app: App) -> None:
        self._app = app
        key = os.environ.get(KEY_VARIABLE, "")
        self._key_digest = _digest(key.encode()) if key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = self._refusal(scope)
        if status is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _answer(send, status)

    def _refusal(self, scope: Scope) -> int | None:
        """HTTP status of a refused request, None for a welcome one."""
        headers = dict(scope["headers"])
        if self._key_digest is not None:
            if not self._has_key(headers.get(b"authorization", b"")):
                return 401
        elif not _is_address_or_local(headers.get(b"host", b"")):
            return 403
        return None if _is_open(scope["path"]) else 404

    def _has_key(self, authorization: bytes) -> bool:
        scheme, _, given = authorization.partition(b" ")
        assert self._key_digest is not None
        same = hmac.compare_digest(_digest(given.strip()), self._key_digest)
        return scheme.lower() == b"bearer" and same


def _is_open(path: str) -> bool:
    climbs = ".." in path.split("/")
    return not climbs and (path in OPEN_PATHS or path.startswith(OPEN_PREFIXES))


def _is_address_or_local(host: bytes) -> bool:
    """A page of some domain that was rebound to this PC sends that domain as Host."""
    name = host.decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name in LOCAL_NAMES:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


_WORDS = {
    401: b"the API key is missing or wrong",
    403: b"unknown host name",
    404: b"not an open path",
}


async def _answer(send: Send, status: int) -> None:
    body = b'{"error":{"message":"%s","code":%d}}' % (_WORDS[status], status)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 401:  # noqa: PLR2004 - an HTTP status
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
