"""The use case `find a cluster`: who offers one on this home's networks, and where its coordinator answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from homecluster.agent.introduce import Introduction, ask_who
from homecluster.app.reach_advice import Cause, Dialled, Seen, Unreachable, explain
from homecluster.app.wsl_advice import wsl_advice
from homecluster.discovery.first_answer import Address, Answered, NoAnswer, first_answer
from homecluster.discovery.peer_table import PeerTable
from homecluster.discovery.records import ID_CHARS
from homecluster.discovery.search import search
from homecluster.domain.hardware import WslMode
from homecluster.domain.home_network import HomeAddress
from homecluster.errors import PeerError
from homecluster.inventory.addresses import read_interfaces
from homecluster.inventory.home_network import read_home_addresses, tunnels, usable_addresses
from homecluster.inventory.neighbours import read_neighbours
from homecluster.inventory.system import read_system
from homecluster.inventory.wsl import read_mode

LOOK_S: Final = 2.5
_REACH_S: Final = 12.0
_OTHER_KEY: Final = "it is of another cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCluster:
    """A cluster that somebody announces; nothing of it is proven."""

    id_prefix: str
    """The first 16 digits of its key's hash."""
    name: str
    addresses: tuple[Address, ...]
    """To be tried in this order."""


def id_prefix(cluster_key_sha256: str) -> str:
    """What of a cluster's key hash is announced."""
    return cluster_key_sha256[:ID_CHARS]


async def find_clusters(interface: str | None = None) -> tuple[FoundCluster, ...]:
    """Every cluster that answers on this PC's home networks, or on the chosen interface."""
    table = await search(read_home_addresses(interface), look_s=LOOK_S)
    return tuple(_found(table, one) for one in table.clusters())


async def find_cluster(
    cluster_key_sha256: str, *, interface: str | None = None, sweep: bool = True
) -> FoundCluster | None:
    """The cluster that a token or this PC's state names, as soon as it answers; None when nobody does."""
    wanted = id_prefix(cluster_key_sha256)
    table = await search(
        read_home_addresses(interface),
        known=frozenset({wanted}),
        look_s=LOOK_S,
        sweep=sweep,
        enough=lambda so_far: bool(so_far.of(wanted)),
    )
    return _found(table, wanted) if table.of(wanted) else None


async def introduced(
    addresses: Sequence[Address],
    cluster_key_sha256: str,
    *,
    look: bool,
    interface: str | None = None,
) -> Introduction:
    """Who answers first and shows the certificate of that key; nothing secret is said to anybody.

    With `look` it is also looked for on the network, for the time that the addresses do not answer.

    Raises:
        PeerError: nobody does; says why the first could not be reached, and what to do.
    """

    async def dial(address: Address) -> Introduction:
        found = await asyncio.to_thread(ask_who, *address)
        if found.cluster_key_sha256 != cluster_key_sha256:
            raise PeerError(_OTHER_KEY)
        return found

    found = await first_answer(addresses, dial, failures=(PeerError,), limit_s=_REACH_S)
    if isinstance(found, NoAnswer) and look:
        place = await find_cluster(cluster_key_sha256, interface=interface)
        if place is not None:
            found = await first_answer(
                place.addresses, dial, failures=(PeerError,), limit_s=_REACH_S
            )
    if isinstance(found, Answered):
        return found.answer
    told = why_unreachable(found, interface=interface)
    raise PeerError(told.why, hint=told.remedy)


def why_unreachable(tried: NoAnswer, *, interface: str | None = None) -> Unreachable:
    """The cause at the first address tried, or that nothing was found to try."""
    (host, port), reason = tried.reasons[0] if tried.reasons else (("", 0), "")
    target = address_of(host)
    if host and target is None:
        return unknown_name(host, reason)
    found = read_interfaces()
    own = usable_addresses(found, interface)
    is_wsl = read_system().os == "wsl2"
    mode = read_mode() if is_wsl else None
    neighbours = read_neighbours()
    if target is None:
        return nothing_found(own, tunnels(found), mode)
    told = explain(
        Seen(
            target=target,
            port=port,
            dialled=dialled_from(reason),
            own=own,
            tunnels=tunnels(found),
            neighbours=neighbours,
            wsl_mode=mode,
        )
    )
    return told if target == host else replace(told, why=f"{host} is {target}: {told.why}")


def address_of(host: str) -> str | None:
    """The IPv4 address that a name means here; an address means itself, and None is for neither."""
    try:
        return str(IPv4Address(host))
    except ValueError:
        pass
    if ":" in host or not any(char.isalpha() for char in host):
        return None  # IPv6, or digits that the resolver would take for an address nobody meant
    try:
        return socket.gethostbyname(host)
    except (OSError, UnicodeError):
        return None


def unknown_name(host: str, reason: str) -> Unreachable:
    """What was dialled is no IPv4 address and means none."""
    is_address = ":" in host
    return Unreachable(
        cause=Cause.ABSENT,
        why=f"{host} does not answer ({reason})"
        if is_address
        else f"{host} is no address, and this PC knows no PC of that name",
        remedy="look for a typing error; homecluster nodes, on a PC of the cluster, shows the coordinator's address.",
    )


def dialled_from(reason: str) -> Dialled:
    """How a connection ended, from what was said of it."""
    words = reason.lower()
    if reason == _OTHER_KEY or "is no cluster" in words or "cannot prove" in words:
        return Dialled.OTHER_KEY
    if "refused" in words:
        return Dialled.REFUSED
    return Dialled.NO_ROUTE if "route" in words or "unreachable" in words else Dialled.SILENT


def nothing_found(
    own: Sequence[HomeAddress], vpns: Sequence[HomeAddress], mode: WslMode | None
) -> Unreachable:
    """Why nobody announced a cluster, as far as this PC can tell."""
    if not own:
        choice = "".join(f"; or choose the VPN: --interface {one.interface}" for one in vpns[:1])
        return Unreachable(
            cause=Cause.OTHER_NETWORK,
            why="this PC has no IPv4 address on a home network",
            remedy=f"connect it by cable or Wi-Fi{choice}.",
        )
    if mode is not None and not wsl_advice(mode).can_be_dialled:
        return Unreachable(
            cause=Cause.WSL_NAT,
            why=f"this is WSL2 in {mode} mode: announcements of the home network do not come through",
            remedy="name the coordinator: homecluster join --address HOST:PORT, as homecluster nodes shows it there.",
        )
    where = ", ".join(f"{one.address} ({one.interface})" for one in own)
    return Unreachable(
        cause=Cause.ABSENT,
        why=f"no cluster answers near {where}, neither announced nor asked one address at a time",
        remedy="start it on the other PC (homecluster join --new), or name it: homecluster join --address HOST:PORT; "
        "guest networks and some access points keep their clients apart (docs/join.md).",
    )


def _found(table: PeerTable, cluster: str) -> FoundCluster:
    seen = table.of(cluster)
    return FoundCluster(
        id_prefix=cluster,
        name=seen[0].advert.name,
        addresses=tuple(
            dict.fromkeys((address, one.advert.port) for one in seen for address in one.addresses)
        ),
    )
