"""What stands before every handler of the listener: limits, short refusals, and the key that TLS has verified."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, web

from homecluster.agent.doorway import refused
from homecluster.agent.identity import key_sha256_of_certificate
from homecluster.agent.safe_json import BadMessageError
from homecluster.errors import MissingError

log = logging.getLogger(__name__)
REQUEST_S = 10.0


async def say_little(request: web.Request, response: web.StreamResponse) -> None:
    """Strangers need not know which server and version this is."""
    del request
    response.headers["Server"] = "homecluster"


async def expected(request: web.Request) -> web.StreamResponse | None:
    """The go-ahead for `Expect: 100-continue`; aiohttp's own answer to anything else is a 500 when it is no UTF-8."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return refused(417, "nothing but 100-continue can be expected")
    if request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    return None


async def nowhere(request: web.Request) -> web.StreamResponse:
    """No such path, or not in this way."""
    del request
    return refused(404, "not found")


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever a stranger sends ends in a 4xx with a short reason."""
    if request.headers.get("Content-Encoding"):
        return refused(415, "no compression")
    try:
        if "websocket" in request.headers.get("Upgrade", "").lower():
            return await handler(request)
        async with asyncio.timeout(REQUEST_S):
            return await handler(request)
    except BadMessageError as error:
        return refused(400, str(error))
    except (
        UnicodeEncodeError
    ):  # aiohttp repeats a header in its own refusal, and this one cannot be repeated
        return refused(400, "a header is not UTF-8")
    except TimeoutError:
        return refused(408, "too slow")
    except MissingError as error:
        log.warning("%s", error.message)
        return refused(503, "the coordinator cannot write its state; its disk may be full")
    except web.HTTPException as error:
        return refused(error.status, error.reason)


def peer_key(tls: ssl.SSLObject | None) -> str | None:
    """The pin of the certificate that TLS has verified; None without one."""
    if tls is None:
        return None
    certificate = tls.getpeercert(binary_form=True)
    if certificate is None:
        return None
    try:
        return key_sha256_of_certificate(certificate)
    except BadMessageError:
        return None
