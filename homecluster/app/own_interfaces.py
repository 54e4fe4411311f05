"""This PC's network interfaces as a diagnosis looks at them."""

from __future__ import annotations

import socket

import psutil

from homecluster.domain.signs import InterfaceSigns
from netprobe.probes.interface import facts_of, mtu_of
from netprobe.probes.interface_kind import classify


def own_interfaces(advertised: str | None) -> tuple[InterfaceSigns, ...]:
    """Every interface that is up and has an IPv4 address.

    Args:
        advertised: the address under which others are told to reach this PC.
    """
    states = psutil.net_if_stats()
    return tuple(
        InterfaceSigns(
            name=name,
            kind=classify(facts_of(name, entry.address)).kind.value,
            address=entry.address,
            is_advertised=entry.address == advertised,
            mtu_bytes=mtu_of(name),
        )
        for name, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and name in states and states[name].isup
    )
