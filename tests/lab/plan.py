"""A home as data: which hosts, on which segments, through which links."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.lab.frame import Kind
from tests.lab.pipe import Shape

BYTES_PER_S_PER_MBIT: Final = 125_000
GSO_FROM_BYTES_PER_S: Final = 200 * BYTES_PER_S_PER_MBIT
"""Below this a 64 KiB burst is several ms long and one drop loses all of it; above it Python
cannot carry single packets fast enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfacePlan:
    """One interface of one host. `name` is what the host sees: eth0, wlan0, tun0, thunderbolt0."""

    host: str
    name: str
    segment: str
    address: str
    prefix_bits: int = 24
    kind: Kind = "tap"
    up: Shape = field(default_factory=Shape)
    down: Shape = field(default_factory=Shape)
    medium: str | None = None
    """Interfaces naming one medium share its airtime, both directions (half-duplex)."""
    gso: bool = True
    """Segmentation offload: the host hands over up to 64 KiB at once, as real cards do."""
    mtu_bytes: int = 1500

    @property
    def port(self) -> str:
        """The name of the switch port: host:interface."""
        return f"{self.host}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPlan:
    """One switch; isolation and dropped multicast concern the stations on a shared medium."""

    name: str
    client_isolation: bool = False
    multicast_dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One PC. `gateway` is its default route; nobody needs to answer there."""

    name: str
    gateway: str | None = None
    masquerades: tuple[str, str] | None = None
    """(inner, outer) interface: forwards inner to outer behind its own address, nothing back in."""
    cpu_cores: float | None = None
    """The most CPU time per second; none leaves it unlimited."""
    wsl: bool = False
    """Stands for WSL2 in NAT mode: lives behind the host that masquerades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePlan:
    """All of it. The first interface of a host is the first in its list (`ip link`)."""

    name: str
    summary: str
    hosts: tuple[HostPlan, ...]
    segments: tuple[SegmentPlan, ...]
    interfaces: tuple[InterfacePlan, ...]
    congestion_control: str = "cubic"
    """Homes run cubic; this machine may have another default."""
    seed: int = 1
    sysctls: dict[str, str] = field(default_factory=dict)
    """More of /proc/sys/net for every host, as net.ipv4.tcp_rmem."""

    def interface(self, host: str, name: str | None = None) -> InterfacePlan:
        """A host's interface; without `name` the one that carries its address, never a VPN's.

        Raises:
            ValueError: there is none; names those that are.
        """
        own = [each for each in self.interfaces if each.host == host and name in (None, each.name)]
        if not own:
            raise ValueError(
                f"host {host} has no interface {name or ''}; "
                f"there are {', '.join(each.port for each in self.interfaces)}"
            )
        return next((each for each in own if each.kind == "tap"), own[0])

    def to_json(self) -> dict[str, Any]:
        """A value for json.dumps, read by `home_from_json`."""
        return asdict(self)


def home_from_json(value: dict[str, Any]) -> HomePlan:
    """The home that `to_json` wrote."""
    hosts = [
        HostPlan(**{**each, "masquerades": tuple(each["masquerades"] or ()) or None})
        for each in value["hosts"]
    ]
    interfaces = [
        InterfacePlan(**{**each, "up": Shape(**each["up"]), "down": Shape(**each["down"])})
        for each in value["interfaces"]
    ]
    return HomePlan(
        **{
            **value,
            "hosts": tuple(hosts),
            "segments": tuple(SegmentPlan(**each) for each in value["segments"]),
            "interfaces": tuple(interfaces),
        }
    )
