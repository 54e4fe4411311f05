"""Runs the dashboard until it is interrupted."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Callable

from aiohttp import web

from homecluster.errors import MissingError
from homecluster.web.login import Doorkeeper
from homecluster.web.server import Dashboard, Source

Ready = Callable[[str, list[str]], None]
_LAST_WORDS_S = 1.0


def serve(source: Source, host: str, port: int, *, links: int, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address and the login links.

    Raises:
        MissingError: the address or port cannot be had.
    """
    asyncio.run(_serve(source, host, port, links, ready))


async def _serve(source: Source, host: str, port: int, links: int, ready: Ready) -> None:
    doorkeeper = Doorkeeper()
    application = Dashboard(source, doorkeeper, host, port).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_LAST_WORDS_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise MissingError(
            f"cannot serve {host} port {port}: {error.strerror or error}",
            hint="choose another: --port 0",
        ) from error
    over = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, over.set)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    secrets_ = [secrets.token_urlsafe(32) for _ in range(links)]
    for secret in secrets_:
        doorkeeper.offer(secret, time.monotonic())
    ready(address, [f"{address}login?link={secret}" for secret in secrets_])
    await over.wait()
    await runner.cleanup()
