"""Which of the addresses where a coordinator may be take a connection, in the order in which they do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from homecluster.agent.addresses import Address
from homecluster.agent.limits import CONNECT_S

Refused = Callable[[Address, Exception], None]


async def answering(
    known: Iterable[Address], find: Callable[[], Awaitable[Sequence[Address]]], refused: Refused
) -> AsyncGenerator[Address]:
    """Each address once, as soon as it takes a TCP connection; `refused` is told of those that take none.

    Known addresses are dialled at once and others looked for meanwhile, so that an old one that
    swallows everything does not delay a new one.
    """
    known = dict.fromkeys(known)
    taking: asyncio.Queue[Address | None] = asyncio.Queue()

    async def dial(address: Address) -> None:
        trouble = await _trouble_at(address)
        if trouble is None:
            taking.put_nowait(address)
        else:
            refused(address, trouble)

    async def dial_all() -> None:
        try:
            async with asyncio.TaskGroup() as dials:
                for address in known:
                    dials.create_task(dial(address))
                for address in set(await find()) - known.keys():
                    dials.create_task(dial(address))
        finally:
            taking.put_nowait(None)

    work = asyncio.create_task(dial_all())
    try:
        while (address := await taking.get()) is not None:
            yield address
        await work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _trouble_at(address: Address) -> Exception | None:
    """Why it takes no connection."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(*address)
    except (OSError, TimeoutError) as error:
        return error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None
