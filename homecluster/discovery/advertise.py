"""Announcing this PC's cluster by mDNS on the chosen addresses, following them as they come and go."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from homecluster.discovery.records import SERVICE, Advert, instance_label, text_properties

if TYPE_CHECKING:
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

_log = logging.getLogger(__name__)
REREAD_S: Final = 2.0
"""How often the addresses are read again: a cable plugged in later must work."""
_NONE_YET_S: Final = 0.2
"""Sooner while there is no address: whoever just made a cluster lets others in at once."""
_CLOSE_S: Final = 3.0

ReadAddresses = Callable[[], tuple[str, ...]]
"""The IPv4 addresses to announce now; none is a fair answer."""


@contextlib.asynccontextmanager
async def advertised(
    advert: Advert, addresses: ReadAddresses, *, reread_s: float = REREAD_S
) -> AsyncIterator[None]:
    """The cluster is announced inside the block, and taken back at its end.

    Trouble with the network is logged, never raised: a cluster that nobody can find still works by address.
    """
    task = asyncio.create_task(announce(advert, addresses, reread_s=reread_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def announce(advert: Advert, addresses: ReadAddresses, *, reread_s: float = REREAD_S) -> None:
    """As `advertised`, until cancelled.

    It starts anew whenever the addresses differ: a fresh announcement tells everybody at once.
    """
    current: tuple[str, ...] = ()
    running: AsyncZeroconf | None = None
    try:
        while True:
            wanted = addresses()
            if wanted != current or (wanted and running is None):
                await _close(running)
                running = await _started(advert, wanted)
                current = wanted
            await asyncio.sleep(reread_s if current else min(reread_s, _NONE_YET_S))
    finally:
        await _close(running)


async def _started(advert: Advert, addresses: tuple[str, ...]) -> AsyncZeroconf | None:
    if not addresses:
        return None
    from zeroconf import Error  # noqa: PLC0415 - heavy: the command line stays instant
    from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415 - as above

    zeroconf: AsyncZeroconf | None = None
    try:
        zeroconf = AsyncZeroconf(interfaces=list(addresses))
        info = service_info(advert, addresses)
        sent = await zeroconf.async_register_service(info, cooperating_responders=True)
        await sent
    except (OSError, Error, RuntimeError) as error:
        _log.warning("cannot announce the cluster on %s: %s", ", ".join(addresses), error)
        await _close(zeroconf)
        return None
    _log.info("announced on %s", ", ".join(addresses))
    return zeroconf


def service_info(advert: Advert, addresses: tuple[str, ...]) -> ServiceInfo:
    """The records of an advert; its host name is its own, so that no other service is disturbed."""
    from zeroconf import ServiceInfo  # noqa: PLC0415 - heavy, as above

    label = instance_label(advert)
    return ServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        port=advert.port,
        properties=text_properties(advert),
        server=f"homecluster-{label}.local.",
        parsed_addresses=list(addresses),
    )


async def _close(zeroconf: AsyncZeroconf | None) -> None:
    if zeroconf is None:
        return
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_CLOSE_S):
            await zeroconf.async_close()
