"""What kind of link an interface is, and why: a pure classifier over facts from the system."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from netprobe.types import Interface, InterfaceKind

_ARPHRD_LOOPBACK: Final = 772
_ARPHRD_NONE: Final = 65534
_ARPHRD_PPP: Final = 512
_IFF_TUN: Final = 0x1
_IFF_TAP: Final = 0x2
_VPN_NAMES: Final = ("tailscale", "wg", "zt", "nebula", "tun", "ppp", "nordlynx", "proton", "utun")
_DOCKER_NAMES: Final = ("docker", "br-", "podman", "cni", "flannel", "virbr", "lxc")
_TETHER_DRIVERS: Final = ("ipheth", "rndis_host", "cdc_ncm", "cdc_mbim", "qmi_wwan")
_HOTSPOT_NETWORKS: Final = (
    (ipaddress.ip_network("172.20.10.0/28"), "the range that iPhones share"),
    (ipaddress.ip_network("192.168.43.0/24"), "the range that Android phones share"),
    (ipaddress.ip_network("192.168.49.0/24"), "the range of Wi-Fi Direct on Android"),
    (ipaddress.ip_network("192.168.137.0/24"), "the range that a Windows hotspot shares"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceFacts:
    """What the system tells of one interface; absent facts are None or empty."""

    name: str
    arp_type: int | None = None
    device_type: str = ""
    """DEVTYPE of its uevent: wlan, wireguard, bridge, vlan …"""
    driver: str = ""
    wireless: bool = False
    virtual: bool = False
    """It has no device behind it (sysfs keeps it under devices/virtual)."""
    tun_flags: int | None = None
    speed_mbit_per_s: int | None = None
    address: str = ""


def classify(facts: InterfaceFacts) -> Interface:
    """The first rule that fits, most telling first."""
    kind, reason = _verdict(facts)
    return Interface(name=facts.name, kind=kind, reason=reason)


def _verdict(facts: InterfaceFacts) -> tuple[InterfaceKind, str]:
    name = facts.name
    if facts.arp_type == _ARPHRD_LOOPBACK or name == "lo":
        return InterfaceKind.LOOPBACK, "the loopback interface of this PC"
    if facts.wireless or facts.device_type == "wlan":
        return _wireless(facts)
    if facts.driver == "thunderbolt-net" or name.startswith("thunderbolt"):
        return InterfaceKind.THUNDERBOLT, "driver thunderbolt-net"
    if facts.driver in _TETHER_DRIVERS or facts.device_type == "wwan":
        what = facts.driver or facts.device_type
        return InterfaceKind.HOTSPOT, f"driver {what} tethers a phone or modem"
    return _made_by_software(facts) or _named(facts)


def _made_by_software(facts: InterfaceFacts) -> tuple[InterfaceKind, str] | None:
    if facts.device_type == "wireguard":
        return InterfaceKind.VPN, "a WireGuard interface"
    if facts.tun_flags is not None:
        return _tun(facts)
    if facts.arp_type in {_ARPHRD_NONE, _ARPHRD_PPP}:
        return InterfaceKind.VPN, "a point-to-point tunnel"
    if facts.name.startswith(_DOCKER_NAMES):
        return InterfaceKind.DOCKER, f"the name {facts.name} is one that container tools give"
    if facts.driver == "hv_netvsc":
        why = "a Hyper-V adapter (WSL2 or a virtual machine): the host owns the real one"
        return InterfaceKind.VIRTUAL, why
    if facts.driver == "veth" or facts.virtual:
        return InterfaceKind.VIRTUAL, _virtual_reason(facts)
    return None


def _named(facts: InterfaceFacts) -> tuple[InterfaceKind, str]:
    if facts.name.startswith(_VPN_NAMES):
        return InterfaceKind.VPN, f"the name {facts.name} is one that VPNs give"
    if facts.driver or facts.speed_mbit_per_s:
        speed = f" at {facts.speed_mbit_per_s} Mbit/s" if facts.speed_mbit_per_s else ""
        return InterfaceKind.WIRED, f"driver {facts.driver or 'unnamed'}{speed}, not wireless"
    return InterfaceKind.UNKNOWN, "the system tells nothing about it"


def _wireless(facts: InterfaceFacts) -> tuple[InterfaceKind, str]:
    try:
        address = ipaddress.ip_address(facts.address.partition("%")[0])
    except ValueError:
        return InterfaceKind.WIFI, "the system lists it as wireless"
    for network, whose in _HOTSPOT_NETWORKS:
        if address in network:
            return InterfaceKind.HOTSPOT, f"wireless, and {address} is in {whose}"
    return InterfaceKind.WIFI, "the system lists it as wireless"


def _tun(facts: InterfaceFacts) -> tuple[InterfaceKind, str]:
    assert facts.tun_flags is not None
    if facts.tun_flags & _IFF_TUN:
        return InterfaceKind.VPN, "a TUN device: a program (a VPN) carries its packets"
    if facts.tun_flags & _IFF_TAP and facts.name.startswith(_VPN_NAMES):
        return InterfaceKind.VPN, f"a TAP device, and the name {facts.name} is one that VPNs give"
    return InterfaceKind.VIRTUAL, "a TAP device: a program or virtual machine carries its frames"


def _virtual_reason(facts: InterfaceFacts) -> str:
    what = facts.driver or facts.device_type
    return f"no device behind it ({what})" if what else "no device behind it"
