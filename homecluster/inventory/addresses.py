"""Under which addresses other PCs at home could reach this one."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from homecluster.inventory.host_files import read_host_text

_NOT_HOME = re.compile(
    r"lo\d*$|lo:|loopback|docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxd|cni|flannel|cali|podman|"
    r"tailscale|zt|wg|tun|tap|utun|ppp|nordlynx|ifb|dummy|awdl|llw|anpi|bridge\d"
)
"""Interfaces of containers, virtual machines and VPNs: a VPN is used only if the user names it."""


_TUNNEL_TYPES = ("65534", "512")
"""ARPHRD_NONE and ARPHRD_PPP: no Ethernet, so no other PC of the home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceAddress:
    interface: str
    address: str
    is_up: bool
    prefix_bits: int | None = None
    """Of an IPv4 address; None where the system does not say."""
    is_tunnel: bool = False
    """The system calls it one: WireGuard, TUN, PPP, whatever its name."""


def home_addresses(found: Iterable[InterfaceAddress]) -> tuple[str, ...]:
    """Addresses of real interfaces that are up, IPv4 first; no loopback, link-local or VPN."""
    addresses = [
        ipaddress.ip_address(entry.address.partition("%")[0])
        for entry in found
        if entry.is_up and is_at_home(entry)
    ]
    usable = [a for a in addresses if not (a.is_loopback or a.is_link_local or a.is_unspecified)]
    return tuple(str(a) for a in sorted(set(usable), key=lambda a: (a.version, int(a))))


def is_at_home(entry: InterfaceAddress) -> bool:
    """On an interface that other PCs of the home may share: no container's, no VPN's."""
    return not (entry.is_tunnel or _NOT_HOME.match(entry.interface.lower()))


def read_interfaces() -> tuple[InterfaceAddress, ...]:
    """Every IP address of this PC, as the operating system lists them."""
    states = psutil.net_if_stats()
    return tuple(
        InterfaceAddress(
            interface=name,
            address=entry.address,
            is_up=name in states and states[name].isup,
            prefix_bits=_prefix_bits(entry.netmask),
            is_tunnel=_is_tunnel(name),
        )
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    )


def _prefix_bits(netmask: str | None) -> int | None:
    try:
        return ipaddress.IPv4Network(f"0.0.0.0/{netmask}").prefixlen
    except ValueError:
        return None


def _is_tunnel(interface: str) -> bool:
    kind = read_host_text(f"/sys/class/net/{interface}/type")
    return kind is not None and kind.strip() in _TUNNEL_TYPES


def address_on(interface: str | None) -> str | None:
    """The address to listen on: of that interface, or of the first real one; None while it has none."""
    found = read_interfaces()
    if interface is None:
        return next(iter(home_addresses(found)), None)
    own = [entry for entry in found if entry.interface == interface and entry.is_up]
    addresses = sorted(
        (ipaddress.ip_address(entry.address.partition("%")[0]) for entry in own),
        key=lambda address: (address.version, int(address)),
    )
    usable = [address for address in addresses if not address.is_link_local]
    return str(usable[0]) if usable else None


def interface_with(address: str) -> str | None:
    """The interface that has this address now."""
    plain = address.partition("%")[0]
    return next(
        (one.interface for one in read_interfaces() if one.address.partition("%")[0] == plain), None
    )
