"""The exchange curve of one pair."""

from __future__ import annotations

from threading import Event
from typing import Final

from netprobe.probes import exchange, ports
from netprobe.runner.client import CONNECT_S, Client, measuring

_PER_SIZE_S: Final = 0.06
_LIMIT_S: Final = 6.0
_MARGIN_S: Final = 10.0


async def curve(client: Client, sizes_bytes: tuple[int, ...]) -> dict[int, tuple[float, ...]]:
    """Message bytes -> seconds of each exchange; sizes that a slow link has no time for are left out."""
    async with measuring(client, "exchange", _LIMIT_S + _MARGIN_S) as far:

        def work(stop: Event) -> dict[int, tuple[float, ...]]:
            connection = ports.dial(far.local, far.remote, far.cookie, CONNECT_S)
            return exchange.measure(
                connection, sizes_bytes, per_size_s=_PER_SIZE_S, limit_s=_LIMIT_S, stop=stop
            )

        return await client.guard(ports.in_thread(work, _LIMIT_S + _MARGIN_S))
