"""Which addresses a cluster may use on this PC: those of real interfaces, or of the one that the user names."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from homecluster.domain.home_network import HomeAddress
from homecluster.inventory.addresses import InterfaceAddress, is_at_home, read_interfaces

_DEFAULT_BITS = 24


def usable_addresses(
    found: Iterable[InterfaceAddress], chosen: str | None = None
) -> tuple[HomeAddress, ...]:
    """IPv4 addresses of interfaces that are up, in the system's order.

    Without `chosen`: never loopback, containers, VPNs or self-assigned addresses (169.254).
    With it: that interface's, whatever it is; a VPN such as WireGuard is a fair remedy when chosen.
    """
    return tuple(
        HomeAddress(
            interface=one.interface,
            address=one.address,
            prefix_bits=_DEFAULT_BITS if one.prefix_bits is None else one.prefix_bits,
        )
        for one in found
        if one.is_up and _is_ipv4(one.address) and _may_use(one, chosen)
    )


def tunnels(found: Iterable[InterfaceAddress]) -> tuple[HomeAddress, ...]:
    """What looks like a VPN and is therefore only used when chosen; containers are no choice."""
    return tuple(
        HomeAddress(interface=one.interface, address=one.address, prefix_bits=one.prefix_bits or 32)
        for one in found
        if one.is_up and one.is_tunnel and _is_ipv4(one.address)
    )


def read_home_addresses(chosen: str | None = None) -> tuple[HomeAddress, ...]:
    """This PC's, now."""
    return usable_addresses(read_interfaces(), chosen)


def _may_use(one: InterfaceAddress, chosen: str | None) -> bool:
    if chosen is not None:
        return one.interface == chosen
    address = IPv4Address(one.address)
    return is_at_home(one) and not (
        address.is_loopback or address.is_link_local or address.is_unspecified
    )


def _is_ipv4(address: str) -> bool:
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True
