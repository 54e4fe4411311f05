"""Which addresses a sweep asks: the neighbourhood of our own, never more than its /24; pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

from homecluster.domain.home_network import HomeAddress

SWEEP_BITS: Final = 24
"""254 packets: a home network; a larger one is swept only around our own address."""
MAX_SWEPT_NETWORKS: Final = 4


def swept(own: Iterable[HomeAddress]) -> tuple[str, ...]:
    """Every other address near one of ours, each once; nothing around loopback."""
    ours = [one for one in own if not IPv4Address(one.address).is_loopback]
    mine = {one.address for one in ours}
    found: dict[str, None] = {}
    for one in ours[:MAX_SWEPT_NETWORKS]:
        bits = max(SWEEP_BITS, one.prefix_bits)
        near = IPv4Interface(f"{one.address}/{bits}").network
        found |= dict.fromkeys(str(host) for host in near.hosts())
    return tuple(address for address in found if address not in mine)
