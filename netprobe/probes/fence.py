"""A packet filter that lets only one peer reach a port, where this process may set one up (nft, root)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Final

from netprobe.probes.ports import SockAddr
from netprobe.probes.process import started
from netprobe.probes.trouble import ProbeError

_ANSWER_S: Final = 0.5


@contextlib.asynccontextmanager
async def fenced(port: int, peer: SockAddr) -> AsyncIterator[bool]:
    """Whether strangers are kept from the port while inside.

    The table belongs to the nft process ("owner"), so the kernel removes it with that process,
    however it and this one end. iperf3 knows no cookie: this, its one client and the deadline are its fence.
    """
    if os.geteuid() != 0:
        yield False
        return
    async with contextlib.AsyncExitStack() as stack:
        try:
            nft = await stack.enter_async_context(
                started(("nft", "-i"), stdin=asyncio.subprocess.PIPE)
            )
        except ProbeError:
            yield False
            return
        yield await _set_up(nft, port, peer)


async def _set_up(nft: asyncio.subprocess.Process, port: int, peer: SockAddr) -> bool:
    assert nft.stdin is not None
    assert nft.stdout is not None
    host = str(peer[0]).partition("%")[0]
    family = "ip6" if ":" in host else "ip"
    table = f"inet netprobe_{os.getpid()}_{port}"
    rule = f'iifname != "lo" tcp dport {port} {family} saddr != {host} drop'
    lines = (
        f"add table {table} {{ flags owner; }}",
        f"add chain {table} input {{ type filter hook input priority -10; policy accept; {rule}; }}",
        f"list table {table}",
    )
    try:
        async with asyncio.timeout(_ANSWER_S):
            nft.stdin.write(("\n".join(lines) + "\n").encode())
            await nft.stdin.drain()
            while line := await nft.stdout.readline():
                if rule.encode() in line:
                    return True
    except (OSError, TimeoutError):
        return False
    return False
