"""What `join` decides before it acts: this PC's name, whose token it is, where that cluster answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from homecluster.agent.introduce import Introduction
from homecluster.agent.limits import DEFAULT_PORT
from homecluster.agent.pairing import NODE
from homecluster.agent.places import bind
from homecluster.agent.tokens import JoinToken, fingerprint, parse_token
from homecluster.app import find_cluster
from homecluster.app.backup import take_over
from homecluster.app.find_cluster import FoundCluster
from homecluster.app.join import create_cluster, join_cluster
from homecluster.app.secret_file import read_secret
from homecluster.errors import InputError, MissingError
from homecluster.inventory.addresses import address_on, read_interfaces
from homecluster.inventory.collect import own_node_id
from homecluster.store.cluster_state import ClusterState

__all__ = ["take_over"]
_PORTS = 65536


def own_name(name: str | None) -> str:
    """The name that this PC asks for.

    Raises:
        InputError: the typed one cannot be a name.
    """
    if name is None:
        return own_node_id(socket.gethostname())
    if not NODE.fullmatch(name):
        raise InputError(
            "a PC's name has letters, digits, '.', '-' and '_', at most 63, and starts with a letter or digit"
        )
    return name


def check_interface(interface: str | None) -> None:
    """Raises InputError when this PC has no such interface."""
    known = sorted({entry.interface for entry in read_interfaces()})
    if interface is not None and interface not in known:
        raise InputError(
            f"this PC has no network interface {interface!r}", hint=f"it has: {', '.join(known)}"
        )


def create(home: Path, *, name: str, interface: str | None, port: int) -> ClusterState:
    """A new cluster with this PC as coordinator.

    Raises:
        MissingError: its port is taken.
    """
    check_port(interface, port)
    return create_cluster(home, name=name, interface=interface, port=port)


def check_port(interface: str | None, port: int) -> None:
    """Raises MissingError when this PC cannot listen there; without an address there is nothing to check yet."""
    address = address_on(interface)
    if address is None:
        return
    try:
        bind(address, port).close()
    except OSError as error:
        raise MissingError(
            f"cannot listen on {address} port {port}: {error.strerror}",
            hint="choose another port: homecluster join --new --port N",
        ) from error


def find_clusters(interface: str | None) -> Sequence[FoundCluster]:
    """The clusters that are announced on this PC's networks."""
    return asyncio.run(find_cluster.find_clusters(interface))


def read_token(file: Path) -> JoinToken:
    """The token of a file, `-` for standard input.

    Raises:
        InputError: it cannot be read, or others may read it, or it is no token.
    """
    return parse_token(read_secret(file, "join token"))


def typed_token(ask: Callable[[], str]) -> JoinToken:
    """The token that the user types."""
    return parse_token(ask())


def introduced(token: JoinToken, address: str | None, interface: str | None) -> Introduction:
    """The coordinator that holds the key which the token pins.

    Raises:
        PeerError: none is found; the secret was not sent.
    """
    if address is not None:
        places = [parse_address(address)]
    else:
        places = [(token.host, token.port)] if token.host and token.port else []
    return asyncio.run(
        find_cluster.introduced(
            places, token.cluster_key_sha256, look=address is None, interface=interface
        )
    )


def parse_address(text: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[V6]:PORT`.

    Raises:
        InputError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = text, str(DEFAULT_PORT)
    host = host.strip("[]")
    is_host = 0 < len(host) <= 253 and all(char.isalnum() or char in ".-:_%" for char in host)  # noqa: PLR2004 - the longest host name
    if not is_host or not port.isascii() or not port.isdigit() or not 0 < int(port) < _PORTS:
        raise InputError(f"{text[:80]!r} is no HOST:PORT")
    return host, int(port)


def changed_name(asked: str, given: str) -> str | None:
    """What the user is told when the cluster calls this PC otherwise than it asked for."""
    if asked == given:
        return None
    return (
        f"another PC of this cluster is called {asked}, or this one was called otherwise before: "
        f"it is {given}; for another name: homecluster leave, then join with --name N and a new token"
    )


def trust_text(introduction: Introduction, user: str) -> str:
    """What the user is asked to trust."""
    return (
        f"  cluster of   {introduction.name}, homecluster {introduction.version}, "
        f"at {introduction.host} port {introduction.port}\n"
        f"  fingerprint  {fingerprint(introduction.cluster_key_sha256)}\n"
        f"  The owner of this cluster can run code as your user ({user}) on this PC."
    )


def join(
    home: Path, token: JoinToken, introduction: Introduction, *, name: str, interface: str | None
) -> ClusterState:
    """This PC as a member."""
    return join_cluster(home, token, introduction, name=name, interface=interface)
