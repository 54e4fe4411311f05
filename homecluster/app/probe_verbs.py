"""What a member does so that its devices and links can be measured: verbs with every value checked."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from homecluster.agent.folder import AgentFolder
from homecluster.agent.verbs import Asked, Body
from homecluster.app.link_process import ListeningEnd, measured_report
from homecluster.app.measure import measure_this_pc
from homecluster.app.reach_advice import Dialled, Seen, explain
from homecluster.app.this_pc import this_pc
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.inventory.addresses import read_interfaces
from homecluster.inventory.home_network import tunnels, usable_addresses
from homecluster.inventory.neighbours import read_neighbours
from homecluster.store.cluster_state import read_state
from homecluster.store.cluster_table import cluster_table
from homecluster.store.engine_store import find_engine
from homecluster.store.paths import Paths, paths_at
from netprobe.types import DEFAULT_PORT, FailureKind

PORTS: Final = tuple(range(DEFAULT_PORT, DEFAULT_PORT + 8))
"""A measured member listens on one of them, for one measurement: what a firewall rule would name."""
_MAX_LISTENING: Final = 4
_MAX_LISTEN_S: Final = 300
_PORT_MAX: Final = 65_535
_TOKEN: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PLANS: Final = ("quick", "full")


class LinkEnds:
    """The listening ends that run on this PC now; they end by themselves."""

    def __init__(self) -> None:
        self._running: dict[str, ListeningEnd] = {}
        self._lock = threading.Lock()

    def listen(self, asked: Asked, body: Body) -> Body:
        """Listen on this PC's address for who holds the token; answers with the port."""
        address, seconds = own_address(asked, body), whole(body, "seconds", _MAX_LISTEN_S)
        order = {
            "do": "listen",
            "address": address,
            "ports": PORTS,
            "token": _token(body),
            "seconds": seconds,
            "engine_python": _engine_python(asked, body),
        }
        with self._lock:
            self._forget_ended()
            if len(self._running) >= _MAX_LISTENING:
                raise PeerError(f"{asked.node} is being measured by others; try again soon")
            end = ListeningEnd(order)
            name = secrets.token_hex(8)
            self._running[name] = end
        return {"id": name, "address": address, "port": end.port}

    def close(self, asked: Asked, body: Body) -> Body:
        """End what `probe.listen` started; ending it twice is fine."""
        del asked
        with self._lock:
            end = self._running.pop(str(body.get("id")), None)
        if end is not None:
            end.close()
        return {}

    def _forget_ended(self) -> None:
        for name, end in tuple(self._running.items()):
            if end.has_ended():
                self._running.pop(name).close()


def _inventory(asked: Asked, body: Body) -> Body:
    """This PC as a cluster document, with the speeds that are known."""
    del body
    return {"cluster": cluster_table(this_pc(_paths(asked)))}


def _devices(asked: Asked, body: Body) -> Body:
    """As `inventory`, after measuring what is not known yet (with `force`: everything)."""
    measured = measure_this_pc(_paths(asked), force=body.get("force") is True, tell=lambda _: None)
    return {"cluster": cluster_table(measured.cluster), "missing_engine": measured.missing_engine}


def _link(asked: Asked, body: Body) -> Body:
    """The report of the link to a listening end, and why it cannot be reached where it cannot."""
    address, port = private_address(body), whole(body, "port", _PORT_MAX)
    plan = body.get("plan")
    if plan not in _PLANS:
        raise InputError("'plan' must be quick or full")
    order = {
        "do": "measure",
        "address": address,
        "port": port,
        "token": _token(body),
        "plan": plan,
        "engine_python": _engine_python(asked, body),
    }
    report = measured_report(order, asked.deadline_s)
    return {"report": report, "trouble": _trouble(asked, address, port, report)}


def _trouble(
    asked: Asked, address: str, port: int, report: Mapping[str, Any]
) -> Mapping[str, str] | None:
    """Why nothing at all was measured, as this end sees it; None where something was."""
    if report["round_trip"] is not None or report["throughput"] is not None:
        return None
    kinds = [one["kind"] for one in report["failures"]]
    if not kinds:
        return None
    dialled = {
        FailureKind.REFUSED.value: Dialled.REFUSED,
        FailureKind.NO_ROUTE.value: Dialled.NO_ROUTE,
    }.get(kinds[0], Dialled.SILENT)
    found = read_interfaces()
    told = explain(
        Seen(
            target=address,
            port=port,
            dialled=dialled,
            own=usable_addresses(found, _chosen_interface(asked)),
            tunnels=tunnels(found),
            neighbours=read_neighbours(),
            is_alive_elsewhere=True,
        )
    )
    return asdict(told)


def own_address(asked: Asked, body: Body) -> str:
    own = [one.address for one in usable_addresses(read_interfaces(), _chosen_interface(asked))]
    wanted = body.get("address")
    if wanted not in own:
        raise MissingError(f"{wanted} is not an address of {asked.node} itself: it is behind a NAT")
    return str(wanted)


def private_address(body: Body) -> str:
    """Members are at home; nobody makes this PC dial the world."""
    try:
        address = ipaddress.IPv4Address(str(body.get("address")))
    except ValueError as error:
        raise InputError("'address' is no IPv4 address") from error
    if address.is_global or address.is_multicast or address.is_loopback:
        raise InputError("'address' is not one of a home network")
    return str(address)


def _chosen_interface(asked: Asked) -> str | None:
    state = read_state(AgentFolder(home=asked.home).state)
    return None if state is None else state.interface


def _engine_python(asked: Asked, body: Body) -> str | None:
    """Where torch is, if the engine's own all-reduce is to be timed too and this PC has one."""
    if body.get("all_reduce") is not True:
        return None
    for kind in (DeviceKind.CUDA, DeviceKind.CPU):
        try:
            return str(find_engine(_paths(asked).engines, kind).python)
        except MissingError:
            continue
    return None


def _paths(asked: Asked) -> Paths:
    return paths_at(asked.home, os.environ)


def _token(body: Body) -> str:
    token = body.get("token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise InputError("'token' must be 64 hexadecimal digits")
    return token


def whole(body: Body, key: str, most: int) -> int:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"{key!r} must be a whole number from 1 to {most}")
    return value


_ENDS: Final = LinkEnds()
HANDLERS: Final[Mapping[str, Callable[[Asked, Body], Body]]] = {
    "inventory": _inventory,
    "probe.devices": _devices,
    "probe.listen": _ENDS.listen,
    "probe.link": _link,
    "probe.close": _ENDS.close,
}
