"""What a member does so that a diagnosis learns who reaches whom: listen for a moment, dial, ask by multicast."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from homecluster.agent.folder import AgentFolder
from homecluster.agent.verbs import Asked, Body
from homecluster.app.find_cluster import id_prefix
from homecluster.app.probe_verbs import PORTS, own_address, private_address, whole
from homecluster.discovery.search import search
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.inventory.addresses import read_interfaces
from homecluster.inventory.home_network import read_home_addresses, tunnels
from homecluster.inventory.neighbours import read_neighbours
from homecluster.store.cluster_state import ClusterState, read_state

LISTENS_FOR_S: Final = 15.0
DIAL_S: Final = 3.5
"""The kernel asks at 0, 1 and 3 s: two lost packets are no closed door."""
_MOST_LISTENING: Final = 4
_LOOK_S: Final = 2.5
_NO_ROUTE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH)
_LISTENING: Final = threading.BoundedSemaphore(_MOST_LISTENING)


def _listen(asked: Asked, body: Body) -> Body:
    """Let others open connections for a moment, on a port that the firewall's one rule lets in; says which."""
    address = own_address(asked, body)
    if not _LISTENING.acquire(blocking=False):
        raise PeerError(f"{asked.node} is being looked at by others; try again soon")
    door = _free_door(address)
    if door is None:
        _LISTENING.release()
        raise PeerError(f"no port of {PORTS[0]} to {PORTS[-1]} is free on {asked.node}")
    threading.Thread(target=_welcome, args=(door,), daemon=True).start()
    return {"port": door.getsockname()[1]}


def _free_door(address: str) -> socket.socket | None:
    for port in PORTS:
        try:
            return socket.create_server((address, port))
        except OSError:
            continue
    return None


def _welcome(door: socket.socket) -> None:
    """Take connections and close them at once; nothing is read."""
    until_s = time.monotonic() + LISTENS_FOR_S
    try:
        with door:
            while (left_s := until_s - time.monotonic()) > 0:
                door.settimeout(left_s)
                door.accept()[0].close()
    except OSError:
        pass  # the time is up
    finally:
        _LISTENING.release()


def _dial(asked: Asked, body: Body) -> Body:
    """Whether a connection opens, how it failed else, and whether that PC answered below IP."""
    del asked
    address, port = private_address(body), whole(body, "port", PORTS[-1])
    if port not in PORTS:  # no member scans the home through another one
        raise InputError(f"'port' must be one of {PORTS[0]} to {PORTS[-1]}")
    how = _how_it_ends(address, port)
    return {"how": how, "is_there": True if how == "open" else read_neighbours().get(address)}


def _how_it_ends(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=DIAL_S).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return "no_route" if error.errno in _NO_ROUTE else "timed_out"
    return "open"


def _multicast(asked: Asked, body: Body) -> Body:
    """Whether the coordinator is found by multicast; None where nobody can tell, as over a chosen VPN.

    It is not found only if the same question put to its own address is answered in between.
    """
    state = read_state(AgentFolder(home=asked.home).state)
    if state is None:
        raise MissingError(f"{asked.node} is in no cluster")
    if state.interface in {one.interface for one in tunnels(read_interfaces())}:
        return {"found": None}
    address = private_address(body)
    found = _hears(state) or (None if not _hears(state, address) else _hears(state))
    return {"found": found}


def _hears(state: ClusterState, address: str | None = None) -> bool:
    """The coordinator's announcement: by multicast, or from that address alone."""
    wanted = id_prefix(state.cluster_key_sha256)
    table = asyncio.run(
        search(
            read_home_addresses(state.interface),
            known=frozenset({wanted}),
            remembered=(address,) if address else (),
            multicast=address is None,
            look_s=_LOOK_S,
            sweep=False,
            enough=lambda so_far: bool(so_far.of(wanted)),
        )
    )
    return bool(table.of(wanted))


HANDLERS: Final[Mapping[str, Callable[[Asked, Body], Body]]] = {
    "reach.listen": _listen,
    "reach.dial": _dial,
    "reach.multicast": _multicast,
}
