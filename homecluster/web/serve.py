"""Runs the dashboard until it is interrupted."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from homecluster.errors import MissingError
from homecluster.router.quiet_log import quiet_about_bad_requests
from homecluster.web.doorstep import Doorstep
from homecluster.web.login import Doorkeeper
from homecluster.web.server import Dashboard, Source

Ready = Callable[[str, list[str]], None]
_LAST_WORDS_S = 1.0
_IDLE_S = 20.0
"""As long may a connection say nothing, or half a request."""


def serve(source: Source, host: str, port: int, *, links: int, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address and the login links.

    Raises:
        MissingError: the address or port cannot be had.
    """
    asyncio.run(_serve(source, host, port, links, ready))


async def _serve(source: Source, host: str, port: int, links: int, ready: Ready) -> None:
    doorkeeper = Doorkeeper()
    async with listening(Dashboard(source, doorkeeper, host, port), host, port):
        over = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, over.set)
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        secrets_ = [secrets.token_urlsafe(32) for _ in range(links)]
        for secret in secrets_:
            doorkeeper.offer(secret, time.monotonic())
        ready(address, [f"{address}login?link={secret}" for secret in secrets_])
        await over.wait()


@asynccontextmanager
async def listening(dashboard: Dashboard, host: str, port: int) -> AsyncIterator[None]:
    """The dashboard answers as long as this is entered.

    Raises:
        MissingError: the address or port cannot be had.
    """
    quiet_about_bad_requests()
    runner = web.AppRunner(
        dashboard.application(),
        access_log=None,
        handler_cancellation=True,  # a page that was closed makes room for another at once
        keepalive_timeout=_IDLE_S,
        shutdown_timeout=_LAST_WORDS_S,
    )
    await runner.setup()
    assert runner.server is not None
    doorstep = Doorstep(runner.server, dashboard.guests)
    try:
        listener = await _bound(doorstep, host, port)
        yield
        listener.close()
    finally:
        await runner.cleanup()


async def _bound(doorstep: Doorstep, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(doorstep, host, port)
    except OSError as error:
        raise MissingError(
            f"cannot serve {host} port {port}: {error.strerror or error}",
            hint="choose another: --port 0",
        ) from error
