"""The engine's own all-reduce of one pair."""

from __future__ import annotations

from pathlib import Path

from netprobe.probes import collective
from netprobe.probes.collective import AllReduce
from netprobe.runner.client import Client, measuring


async def curve(client: Client, python: Path) -> AllReduce:
    """Both ends run the same script; this end's times are kept."""
    async with measuring(client, "all_reduce", collective.LIMIT_S) as far:
        return await client.guard(
            collective.run(python, far.local, far.remote, listener=None, limit_s=collective.LIMIT_S)
        )
