"""Where this PC stands on the home network."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAddress:
    """One IPv4 address of this PC on a network that other PCs may share."""

    interface: str
    address: str
    prefix_bits: int

    @property
    def network(self) -> IPv4Network:
        return IPv4Interface(f"{self.address}/{self.prefix_bits}").network
