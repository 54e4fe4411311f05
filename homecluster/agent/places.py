"""Where the coordinator listens: on the chosen interface's address, moved along when that changes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from homecluster.agent.coordinator import Coordinator
from homecluster.agent.listener import Listener
from homecluster.inventory.addresses import interface_with

log = logging.getLogger(__name__)
AddressOf = Callable[[], str | None]
_LOOK_S = 2.0


async def keep_listening(
    coordinator: Coordinator, listener: Listener, address_of: AddressOf
) -> None:
    """Listen where the interface is now; look again every two seconds, as laptops change networks."""
    serving: asyncio.Task[None] | None = None
    at: str | None = None
    try:
        while True:
            wanted = await asyncio.to_thread(address_of)
            if serving is not None and (wanted != at or serving.done()):
                await _end(serving)
                serving = None
                coordinator.own_address = None
            if serving is None and wanted is not None:
                serving = _begin(coordinator, listener, wanted)
                at = wanted
            if wanted is None:
                coordinator.trouble = "no network interface with an address: nobody can join yet"
            await asyncio.sleep(_LOOK_S)
    finally:
        if serving is not None:
            await _end(serving)


def _begin(coordinator: Coordinator, listener: Listener, address: str) -> asyncio.Task[None] | None:
    port = coordinator.keeper.state.port
    try:
        bound = bind(address, port)
    except OSError as error:
        trouble = f"cannot listen on {address} port {port}: {error.strerror}"
        if coordinator.trouble != trouble:
            log.warning("%s", trouble)
        coordinator.trouble = trouble
        return None
    coordinator.own_address, coordinator.trouble = address, None
    coordinator.own_interface = interface_with(address)
    log.info("listening on %s port %s", address, port)
    return asyncio.create_task(listener.serve(bound))


def bind(address: str, port: int) -> socket.socket:
    """A bound socket that does not block.

    Raises:
        OSError: the address is not here or the port is taken.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


async def _end(serving: asyncio.Task[None]) -> None:
    serving.cancel()
    try:
        await serving
    except asyncio.CancelledError:
        return
    except Exception:
        # The boundary: whatever ended it is told, and the next look listens anew.
        log.exception("listening ended")
