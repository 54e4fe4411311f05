"""Round trips of one pair while one direction is full: how long its queue lets others wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from threading import Event
from typing import Final

from netprobe.probes import echo, fill, ports
from netprobe.runner.client import CONNECT_S, Client, Measuring, measuring
from netprobe.stats import quantile

_INTERVAL_S: Final = 0.005
_FIRST_COUNT: Final = 60
_MORE_COUNT: Final = 200
"""1 s: in that time four streams fill a 1 MiB queue at 10 Mbit/s; slower or longer ones take a few."""
_MOST_ROUNDS: Final = 4
_STILL_GROWING: Final = 1.2
_GROWN_S: Final = 0.005
"""Later pings longer than earlier ones by that factor and that much: the queue is not full yet."""
_RAMP_SHARE: Final = 0.3
"""The part of the pings during which the queue still fills."""
_FEWEST: Final = 5
_FILL_S: Final = 6.0
_MARGIN_S: Final = 6.0


async def round_trips_under_load(client: Client, *, back: bool) -> tuple[float, ...]:
    """Round trips while that direction is full, without those of the ramp; longer while they grow.

    Empty when every ping was lost.
    """
    filling = asyncio.create_task(_fill(client, back=back))
    try:
        async with measuring(client, "echo_udp", _FILL_S + _MARGIN_S) as far:
            seen = await _pings(client, far, _FIRST_COUNT)
            for _ in range(_MOST_ROUNDS):
                if not still_growing(seen):
                    break
                seen = await _pings(client, far, _MORE_COUNT) or seen
        if filling.done():
            await filling  # raises why nothing was filled
        return seen
    finally:
        filling.cancel()
        await asyncio.wait({filling})
        if not filling.cancelled():
            filling.exception()  # looked at: the figures stand, or the error above is told


def still_growing(round_trips_s: Sequence[float]) -> bool:
    """Whether the later half is longer than the earlier one, or too little came back to tell."""
    half = len(round_trips_s) // 2
    if half < _FEWEST:
        return True
    early, late = quantile(round_trips_s[:half], 0.5), quantile(round_trips_s[half:], 0.5)
    return late > max(_STILL_GROWING * early, early + _GROWN_S)


async def _pings(client: Client, far: Measuring, count: int) -> tuple[float, ...]:
    udp = ports.open_udp(far.local)
    echoes = await client.guard(
        ports.in_thread(
            lambda stop: echo.ping_udp(
                udp, far.remote, far.cookie, count=count, interval_s=_INTERVAL_S, stop=stop
            ),
            count * _INTERVAL_S + _MARGIN_S,
        )
    )
    ramp_s = _RAMP_SHARE * count * _INTERVAL_S
    pairs = zip(echoes.sent_at_s, echoes.round_trips_s, strict=True)
    return tuple(taken for sent_at, taken in pairs if sent_at > ramp_s)


async def _fill(client: Client, *, back: bool) -> None:
    async with measuring(client, "fill" if back else "drain", _FILL_S) as far:

        def work(stop: Event) -> None:
            until = time.monotonic() + _FILL_S
            streams = [
                ports.dial(far.local, far.remote, far.cookie, CONNECT_S)
                for _ in range(fill.STREAMS)
            ]
            (fill.drain if back else fill.send)(streams, until, stop)

        await client.guard(ports.in_thread(work, _FILL_S + _MARGIN_S))
