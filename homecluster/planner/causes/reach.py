"""PCs that do not find or reach one another: isolation, multicast, interface, host name, WSL, firewall, workers that vanish."""

from __future__ import annotations

import contextlib
import ipaddress

from homecluster.domain.hardware import WslMode
from homecluster.domain.member import Health
from homecluster.domain.signs import InterfaceSigns, LinkSigns, NodeSigns
from homecluster.domain.units import format_seconds
from homecluster.planner.causes.case import Case, Found, found

_UNREACHED = ("timed_out", "no_route")
_BEHIND_NAT = (WslMode.NAT, WslMode.VIRTIOPROXY, WslMode.CONSOMME)
_VPN = "vpn"
_VIRTUAL = "virtual"
_NOT_HOME = (_VPN, "docker", _VIRTUAL)
_HOME = ("wired", "wifi", "hotspot", "thunderbolt")
_LONG_START_S = 600.0
_SOON_S = 120.0
"""Ray marks a node dead 30 to 60 s after it stopped hearing of it."""


def client_isolation(case: Case) -> Found | None:
    """The access point lets PCs talk to it and to cables, and not to one another."""
    apart = [link for link in case.signs.links if link.opens is False and link.is_there is False]
    if not apart:
        return None
    one = apart[0]
    pairs = len({frozenset((link.src, link.dst)) for link in apart})
    more = f", and {pairs - 1} more pairs likewise" if pairs > 1 else ""
    return found(
        "client-isolation",
        f"{one.dst} answers the cluster and does not even tell {one.src} that it is there{more}: "
        "the access point keeps its clients apart",
        evidence=(f"neither ARP nor connections pass from {one.src} to {one.dst}",),
        do="switch off `AP isolation` (also called client or guest isolation) in the router; leave the guest network; "
        "or join the PCs by a cable or by one PC's own hotspot; a copy per PC does without",
    )


def multicast_dropped(case: Case) -> Found | None:
    """The coordinator answers at its own address, and is not found by mDNS."""
    around = case.signs.around
    if around is None or around.found_by_multicast != 0 or not around.found_one_by_one:
        return None
    return found(
        "multicast-dropped",
        f"no PC finds the coordinator by multicast, and to {around.found_one_by_one} of them it answers at its own address: "
        "the network drops multicast (mDNS, UDP 5353)",
        evidence=(
            "what runs does not need it; finding a cluster takes longer, or needs its address",
        ),
        do="join by address: homecluster join --address HOST:PORT; or switch off `multicast filtering` or IGMP snooping in the access point",
        argv=("homecluster", "join", "--address", "HOST:PORT"),
    )


def wrong_interface(case: Case) -> Found | None:
    """A PC advertises a container's address, or a VPN's although another PC is in its own home network.

    A VPN is used only where somebody named it; between homes that is right.
    """
    for node in case.signs.nodes:
        advertised = next((one for one in node.interfaces if one.is_advertised), None)
        home = _home(case, node)
        if advertised is None or home is None or advertised.kind not in _NOT_HOME:
            continue
        if advertised.kind == home.kind:
            continue  # one virtual adapter is as good as another
        if advertised.kind != _VPN or _has_neighbour(case, node, home):
            return _wrong(node, advertised, home)
    return None


def _home(case: Case, node: NodeSigns) -> InterfaceSigns | None:
    """Its interface of the home network; in a virtual machine or WSL, the adapter on whose network others are."""
    real = next((one for one in node.interfaces if one.kind in _HOME), None)
    virtual = (
        one for one in node.interfaces if one.kind == _VIRTUAL and _has_neighbour(case, node, one)
    )
    return real or next(virtual, None)


def _has_neighbour(case: Case, node: NodeSigns, home: InterfaceSigns) -> bool:
    """Another PC has an address in the same /24, as home routers give them out.

    The very same address is a bridge of the PC's own, such as libvirt's.
    """
    network = ipaddress.ip_network("0.0.0.0/32")
    with contextlib.suppress(ValueError):
        network = ipaddress.ip_network(f"{home.address}/24", strict=False)
    return any(
        _is_in(one.address, network) and one.address != home.address
        for other in case.signs.nodes
        if other.node != node.node
        for one in other.interfaces
        if one.kind in (*_HOME, _VIRTUAL)
    )


def _is_in(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def _wrong(node: NodeSigns, advertised: InterfaceSigns, home: InterfaceSigns) -> Found:
    return found(
        "wrong-interface",
        f"{node.node} offers {advertised.address} of {advertised.name} ({advertised.kind}) to the others "
        f"instead of {home.address} of {home.name} ({home.kind})",
        evidence=(
            "engines bind to what they are told: gloo and NCCL then wait for an address that nobody reaches",
        ),
        do=f"on {node.node}: homecluster leave, then homecluster join --interface {home.name}",
        argv=("homecluster", "join", "--interface", home.name),
    )


def loopback_host_name(case: Case) -> Found | None:
    """A PC's own name resolves to 127.x on it, so engines bind to loopback.

    Every Debian has that line, and homecluster tells its engines the right address: it is a reason
    only where workers vanish or a start lasts far too long.
    """
    if not _gathering_fails(case):
        return None
    for node in case.signs.nodes:
        address = node.host_name_address
        if address is None or not _is_loopback(address) or len(case.cluster.nodes) < 2:  # noqa: PLR2004 - alone it harms nobody
            continue
        name = node.host_name or node.node
        home = next((one.address for one in node.interfaces if one.kind in _HOME), None)
        return found(
            "loopback-host-name",
            f"on {node.node} its own name {name} resolves to {address}: gloo and NCCL bind to loopback "
            "and the others cannot connect",
            evidence=(
                "Debian and Ubuntu write `127.0.1.1 NAME` into /etc/hosts",
                "homecluster sets VLLM_HOST_IP and the interface by itself; programs started by hand do not",
            ),
            do=f"on {node.node} change /etc/hosts to: {home or 'ADDRESS'} {name}",
        )
    return None


def _gathering_fails(case: Case) -> bool:
    job = case.signs.job
    if job is None or job.state == "running":
        return False
    expected_s = case.judged.plan.estimate.start_up_s.high if case.judged else _LONG_START_S
    return bool(job.lost_workers) or (job.elapsed_s or 0.0) > expected_s


def wsl_nat(case: Case) -> Found | None:
    """WSL2 behind Windows' NAT: others cannot call it, which one copy over several PCs needs."""
    if len(case.cluster.nodes) < 2 and len(case.signs.members) < 2:  # noqa: PLR2004 - alone it harms nobody
        return None
    if case.judged is not None and not case.judged.spans_pcs:
        return None  # copies of their own are reached through the member's own connection
    for node in case.nodes():
        if node.wsl_mode in _BEHIND_NAT:
            return found(
                "wsl-nat",
                f"{node.node} is a WSL2 in {node.wsl_mode} mode: it can call other PCs, and no PC can call it",
                evidence=(
                    "tensor and pipeline parallel and Ray need calls in both directions; a copy per PC does not",
                ),
                do="in Windows write networkingMode=mirrored under [wsl2] in .wslconfig (Windows 11 22H2 or newer), "
                "then wsl --shutdown; or run a copy on each PC",
            )
    return None


def firewall_drop(case: Case) -> Found | None:
    """A PC is there and its connections are dropped, one way or both."""
    for link in case.signs.links:
        if not _dropped(link):
            continue
        back = case.signs.link(link.dst, link.src)
        one_way = back is not None and back.opens is True
        node = next((one for one in case.signs.nodes if one.node == link.dst), None)
        return found(
            "firewall-drop",
            f"{link.src} cannot open a connection to {link.dst}"
            + (f", while {link.dst} can to {link.src}" if one_way else "")
            + (": it is there (ARP)" if link.is_there else ": it answers the cluster")
            + ", so a firewall drops it",
            evidence=tuple(
                f"{one.probe}: {one.kind} {one.detail}".strip() for one in link.failures
            ),
            do=f"let the home network in on {link.dst}: {_firewall_rule(node)}",
        )
    return None


def _dropped(link: LinkSigns) -> bool:
    unreached = any(one.kind in _UNREACHED for one in link.failures)
    return link.opens is False and unreached and link.is_there is not False


def _firewall_rule(node: NodeSigns | None) -> str:
    if node is not None and node.os in ("windows", "wsl2"):
        return "homecluster doctor there prints the one rule for Windows with its ports"
    return "homecluster doctor there prints the one rule with its ports"


def worker_alive_then_dead(case: Case) -> Found | None:
    """A worker joins and is declared dead soon after: it is heard, but cannot be called back."""
    job = case.signs.job
    lost = [one for one in job.lost_workers if (one.alive_s or 0.0) <= _SOON_S] if job else []
    if not lost:
        return None
    first = lost[0]
    after = f"{format_seconds(first.alive_s)} later" if first.alive_s else "soon after"
    return found(
        "worker-alive-then-dead",
        f"{first.node} joined the job's workers and was given up {after}: "
        "it could call the head, and the head could not call it back",
        evidence=tuple(f"{one.node}: {one.reason}" for one in lost if one.reason),
        do=f"homecluster doctor on {first.node}: its firewall, WSL mode and advertised address decide who may call it; "
        "homecluster launches with pinned ports that one rule covers",
    )


def member_gone(case: Case) -> Found | None:
    """A PC that the judged plan needs is suspect or dead."""
    for member in case.signs.members:
        if member.health in (Health.DEAD, Health.SUSPECT) and case.concerns(member.node):
            silent = f" for {format_seconds(member.last_seen_s)}" if member.last_seen_s else ""
            return found(
                "member-gone",
                f"{member.node} is silent{silent}: it sleeps, is switched off, or lost its network",
                evidence=tuple(why for node, why in case.signs.unseen if node == member.node),
                do=f"wake {member.node} and keep it awake while it serves; homecluster nodes shows when it is back",
            )
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
