"""Looking after one copy: its first token, whether it still moves, and its return after an absence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from homecluster.router.fleet import Fleet
from homecluster.router.table import SeatState


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a copy may take for what."""

    pause_s: float = 1.0
    """Between two looks."""
    token_within_s: float = 120.0
    """One token, when asked for one; the first of a large model on a CPU is slow."""
    silent_s: float = 180.0
    """A copy that owes an answer and sends nothing to anybody for so long is asked for a token."""
    health_failures: int = 3
    """In a row; its server is starved while a CPU computes a long prompt."""


async def watch(fleet: Fleet, name: str, patience: Patience) -> None:
    """Keep the table's word on one copy true until it is over."""
    failures = 0
    while True:
        state = fleet.table.seat(name).state
        if state is SeatState.ENDED:
            return
        upstream = fleet.upstreams[name]
        if state is not SeatState.SERVING:
            failures = 0
            if await upstream.token_came(patience.token_within_s):
                fleet.came(name)
        elif name in fleet.silent(patience.silent_s):
            await _ask_silent(fleet, name, patience)
        else:
            failures = 0 if await upstream.is_healthy() else failures + 1
            if failures >= patience.health_failures:
                fleet.lost(name, "its server does not say that it is well")
        await asyncio.sleep(patience.pause_s)


async def _ask_silent(fleet: Fleet, name: str, patience: Patience) -> None:
    if await fleet.upstreams[name].token_came(patience.token_within_s):
        fleet.progressed(name)  # only a slow client, or one very long prompt
    elif name in fleet.silent(patience.silent_s):
        fleet.lost(name, f"it sent nothing for {patience.silent_s:.0f} s and gives no token")
