"""The named homes: the figures of real home networks, as a contributor asks for them.

Figures are what two hosts of that home see between them: TCP rate alone, and round trip. A round
trip crosses four link directions (up and down, twice), so each gets a quarter of delay and jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from string import ascii_lowercase
from typing import Final

from tests.lab.pipe import Shape
from tests.lab.plan import (
    BYTES_PER_S_PER_MBIT,
    GSO_FROM_BYTES_PER_S,
    HomePlan,
    HostPlan,
    InterfacePlan,
    SegmentPlan,
)

LAN: Final = "lan"
ROUTER: Final = "10.77.0.1"
_KIB: Final = 1024
_TCP_PAYLOAD_BYTES: Final = 1448
_FRAME_BYTES: Final = 1514
_ACK_BYTES: Final = 66
_LINKS_PER_ROUND_TRIP: Final = 4


def line_mbit(tcp_mbit: float) -> float:
    """The full-duplex Ethernet rate that carries this TCP rate: 1514 bytes for every 1448."""
    return tcp_mbit * _FRAME_BYTES / _TCP_PAYLOAD_BYTES


def air_mbit(tcp_mbit: float) -> float:
    """The shared half-duplex rate for this TCP rate from station to station.

    Every frame crosses the air twice, and so does one acknowledgement for every two frames.
    """
    return 2 * tcp_mbit * (_FRAME_BYTES + _ACK_BYTES / 2) / _TCP_PAYLOAD_BYTES


def shape(
    *,
    rate_mbit: float | None = None,
    rtt_ms: float = 0.0,
    jitter_ms: float = 0.0,
    queue_kib: float = 512,
    loss_percent: float = 0.0,
) -> Shape:
    """One direction of one link, of the four that a round trip of `rtt_ms` ± `jitter_ms` crosses.

    `rate_mbit` is in Ethernet bytes; `loss_percent` is this direction's own.
    """
    return Shape(
        rate_bytes_per_s=None if rate_mbit is None else rate_mbit * BYTES_PER_S_PER_MBIT,
        delay_s=rtt_ms / 1000 / _LINKS_PER_ROUND_TRIP,
        jitter_s=jitter_ms / 1000 / _LINKS_PER_ROUND_TRIP,
        queue_bytes=round(queue_kib * _KIB),
        loss_ratio=loss_percent / 100,
    )


def host_names(count: int) -> tuple[str, ...]:
    """a, b, c, …"""
    if not 1 <= count <= len(ascii_lowercase):
        raise ValueError(f"a home has 1 to {len(ascii_lowercase)} hosts, not {count}")
    return tuple(ascii_lowercase[:count])


def wired(host: str, index: int, link: Shape, *, name: str = "eth0") -> InterfacePlan:
    """A cable to the switch, the same both ways."""
    return InterfacePlan(
        host=host,
        name=name,
        segment=LAN,
        address=f"10.77.0.{index + 2}",
        up=link,
        down=link,
        gso=link.rate_bytes_per_s is None or link.rate_bytes_per_s >= GSO_FROM_BYTES_PER_S,
    )


def wireless(host: str, index: int, link: Shape) -> InterfacePlan:
    """A station on the one access point; all stations share its air."""
    rate = link.rate_bytes_per_s
    return replace(
        wired(host, index, link, name="wlan0"),
        medium="air",
        # a station gets half of the air: two crossings
        gso=rate is None or rate / 2 >= GSO_FROM_BYTES_PER_S,
    )


def lan(
    name: str, summary: str, interfaces: tuple[InterfacePlan, ...], **segment: bool
) -> HomePlan:
    """One switch with these interfaces, a default route to a router that does not answer."""
    return HomePlan(
        name=name,
        summary=summary,
        hosts=tuple(HostPlan(name=each.host, gateway=ROUTER) for each in interfaces),
        segments=(SegmentPlan(name=LAN, **segment),),
        interfaces=interfaces,
    )


def switch_home(
    hosts: int, link: Shape, *, name: str = "switch", summary: str = "", interface: str = "eth0"
) -> HomePlan:
    """All hosts on cables of one kind."""
    plans = (wired(host, i, link, name=interface) for i, host in enumerate(host_names(hosts)))
    return lan(name, summary, tuple(plans))


def wifi_home(
    hosts: int, link: Shape, *, name: str = "wifi", summary: str = "", **segment: bool
) -> HomePlan:
    """All hosts on one access point."""
    plans = (wireless(host, i, link) for i, host in enumerate(host_names(hosts)))
    return lan(name, summary, tuple(plans), **segment)


def _cable(
    name: str, tcp_mbit: float, rtt_ms: float, *, queue_kib: float = 512, interface: str = "eth0"
) -> Callable[[int], HomePlan]:
    link = shape(rate_mbit=line_mbit(tcp_mbit), rtt_ms=rtt_ms, queue_kib=queue_kib)
    summary = f"switch, {tcp_mbit:g} Mbit/s TCP each way, {rtt_ms:g} ms round trip"
    return lambda hosts: switch_home(hosts, link, name=name, summary=summary, interface=interface)


def _air(
    name: str, tcp_mbit: float, rtt_ms: float, jitter_ms: float, queue_kib: float
) -> Callable[[int], HomePlan]:
    link = shape(
        rate_mbit=air_mbit(tcp_mbit), rtt_ms=rtt_ms, jitter_ms=jitter_ms, queue_kib=queue_kib
    )
    summary = (
        f"one access point, {tcp_mbit:g} Mbit/s TCP shared by all, "
        f"{rtt_ms:g} ± {jitter_ms:g} ms round trip, {queue_kib:g} KiB queues"
    )
    return lambda hosts: wifi_home(hosts, link, name=name, summary=summary)


def _mixed(hosts: int) -> HomePlan:
    cable = shape(rate_mbit=line_mbit(940), rtt_ms=0.3)
    air = shape(rate_mbit=air_mbit(150), rtt_ms=3, jitter_ms=2, queue_kib=256)
    plans = tuple(
        wired(host, i, cable) if i < (hosts + 1) // 2 else wireless(host, i, air)
        for i, host in enumerate(host_names(hosts))
    )
    return lan("mixed", "first half on 1 GbE, the others on Wi-Fi 5, one network", plans)


def _isolated(hosts: int) -> HomePlan:
    cable = shape(rate_mbit=line_mbit(940), rtt_ms=0.3)
    air = shape(rate_mbit=air_mbit(150), rtt_ms=3, jitter_ms=2, queue_kib=256)
    plans = tuple(
        wired(host, i, cable) if i == 0 else wireless(host, i, air)
        for i, host in enumerate(host_names(hosts))
    )
    summary = "guest Wi-Fi: stations reach the wired host a but not each other; no multicast"
    return lan("isolated", summary, plans, client_isolation=True, multicast_dropped=True)


def _lossy(hosts: int) -> HomePlan:
    # a packet between two hosts crosses two link directions: 0.5 % each, about 1 % in all
    link = shape(rate_mbit=line_mbit(50), rtt_ms=20, loss_percent=0.5, queue_kib=256)
    return switch_home(
        hosts, link, name="lossy", summary="50 Mbit/s, 20 ms, 1 % of packets lost each way"
    )


def _bloated(hosts: int) -> HomePlan:
    link = shape(rate_mbit=line_mbit(20), rtt_ms=20, queue_kib=1024)
    return switch_home(
        hosts, link, name="bloated", summary="20 Mbit/s, 20 ms, 1 MiB queues: 420 ms when full"
    )


def _vpn(hosts: int) -> HomePlan:
    tunnel = shape(rate_mbit=line_mbit(10), rtt_ms=60, jitter_ms=20, loss_percent=0.25)
    lan_home = switch_home(hosts, shape(rate_mbit=line_mbit(940), rtt_ms=0.3))
    tunnels = tuple(
        InterfacePlan(
            host=host,
            name="tun0",
            segment="vpn",
            kind="tun",
            address=f"10.8.0.{i + 2}",
            up=tunnel,
            down=tunnel,
            gso=False,
            mtu_bytes=1400,
        )
        for i, host in enumerate(host_names(hosts))
    )
    return replace(
        lan_home,
        name="vpn",
        summary="1 GbE, and before it in each host's list tun0: 10 Mbit/s, 60 ms, 0.5 % loss",
        segments=(SegmentPlan(name="vpn"), *lan_home.segments),
        interfaces=(*tunnels, *lan_home.interfaces),
    )


def _wsl_nat(hosts: int) -> HomePlan:
    """Host a is a Linux PC; b, c, … are WSL2 instances, each behind its Windows host."""
    link = shape(rate_mbit=line_mbit(940), rtt_ms=0.3)
    names = host_names(hosts)
    plans, interfaces = [HostPlan(name=names[0], gateway=ROUTER)], [wired(names[0], 0, link)]
    segments = [SegmentPlan(name=LAN)]
    for i, name in enumerate(names[1:], start=1):
        windows, inner = f"{name}-windows", f"{name}-inner"
        prefix = f"172.{19 + i}.0"
        segments.append(SegmentPlan(name=inner))
        plans += [
            HostPlan(name=windows, gateway=ROUTER, masquerades=("vEthernet", "eth0")),
            HostPlan(name=name, gateway=f"{prefix}.1", wsl=True),
        ]
        interfaces += [
            wired(windows, i, link),
            InterfacePlan(
                host=windows,
                name="vEthernet",
                segment=inner,
                address=f"{prefix}.1",
                prefix_bits=20,
            ),
            InterfacePlan(
                host=name, name="eth0", segment=inner, address=f"{prefix}.2", prefix_bits=20
            ),
        ]
    return HomePlan(
        name="wsl-nat",
        summary="1 GbE; every host but a is a WSL2 behind its Windows host's NAT: it dials out only",
        hosts=tuple(plans),
        segments=tuple(segments),
        interfaces=tuple(interfaces),
    )


HOMES: Final[dict[str, Callable[[int], HomePlan]]] = {
    "hotspot": _air("hotspot", 20, 20, 5, 128),
    "wifi5": _air("wifi5", 150, 3, 2, 256),
    "wifi6": _air("wifi6", 400, 2, 1, 512),
    "100mbe": _cable("100mbe", 94, 0.4, queue_kib=256),
    "1gbe": _cable("1gbe", 940, 0.3),
    "2.5gbe": _cable("2.5gbe", 2350, 0.25, queue_kib=1024),
    "10gbe": _cable("10gbe", 9400, 0.1, queue_kib=2048),
    "thunderbolt": _cable("thunderbolt", 16000, 0.3, queue_kib=4096, interface="thunderbolt0"),
    "mixed": _mixed,
    "wsl-nat": _wsl_nat,
    "vpn": _vpn,
    "isolated": _isolated,
    "lossy": _lossy,
    "bloated": _bloated,
}
"""Name -> the home for that many hosts."""


def home_named(name: str, hosts: int) -> HomePlan:
    """A named home.

    Raises:
        ValueError: no such home, or too many hosts.
    """
    if name not in HOMES:
        raise ValueError(f"no home is called {name!r}; there are {', '.join(HOMES)}")
    return HOMES[name](hosts)
