"""Under which addresses other PCs at home could reach this one."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

_NOT_HOME = re.compile(
    r"lo\d*$|lo:|loopback|docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxd|cni|flannel|cali|podman|"
    r"tailscale|zt|wg|tun|tap|utun|ppp|nordlynx|ifb|dummy|awdl|llw|anpi|bridge\d"
)
"""Interfaces of containers, virtual machines and VPNs: a VPN is used only if the user names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceAddress:
    interface: str
    address: str
    is_up: bool


def home_addresses(found: Iterable[InterfaceAddress]) -> tuple[str, ...]:
    """Addresses of real interfaces that are up, IPv4 first; no loopback, link-local or VPN."""
    addresses = [
        ipaddress.ip_address(entry.address.partition("%")[0])
        for entry in found
        if entry.is_up and not _NOT_HOME.match(entry.interface.lower())
    ]
    usable = [a for a in addresses if not (a.is_loopback or a.is_link_local or a.is_unspecified)]
    return tuple(str(a) for a in sorted(set(usable), key=lambda a: (a.version, int(a))))


def read_interfaces() -> tuple[InterfaceAddress, ...]:
    """Every IP address of this PC, as the operating system lists them."""
    states = psutil.net_if_stats()
    return tuple(
        InterfaceAddress(
            interface=name,
            address=entry.address,
            is_up=name in states and states[name].isup,
        )
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    )
