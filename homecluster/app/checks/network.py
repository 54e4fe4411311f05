"""Interface, name resolution, firewall, ports, proxies."""

from __future__ import annotations

import ipaddress
from typing import Final

from homecluster.app.checks.facts import Facts, FirewallFacts
from homecluster.domain.check import Check, passed, warned
from homecluster.domain.hardware import WslMode

_HOME: Final = ("wired", "wifi", "hotspot", "thunderbolt")
CLUSTER_PORT: Final = 7433
"""Where a coordinator listens."""
PROBE_PORT: Final = 17523
"""Where netprobe listens while a link is measured."""
GANG_PORTS: Final = (15_000, 31_900)
"""From which a job over several PCs takes its pinned ports."""

_EVERY_WSL: Final = "{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}"
"""The creator of every WSL, by Microsoft's documentation of the Hyper-V firewall."""


def interface(facts: Facts) -> Check:
    """One address of the home network that the others can be told."""
    home = [one for one in facts.interfaces if one.kind in _HOME]
    if not home:
        kinds = ", ".join(f"{one.name} ({one.kind})" for one in facts.interfaces) or "none at all"
        return warned(
            "interface",
            f"no address of a home network: {kinds}",
            "connect a cable or Wi-Fi; a VPN is used only if named: homecluster join --interface NAME",
        )
    names = sorted({one.name for one in home})
    default = next((one for one in facts.interfaces if one.name == facts.default_interface), None)
    if default is not None and default.kind not in _HOME:
        return warned(
            "interface",
            f"the default route goes through {default.name} ({default.kind}); homecluster uses {home[0].name} ({home[0].address})",
            f"nothing if the other PCs are at home; else homecluster join --interface {default.name}",
        )
    if len(names) > 1:
        return warned(
            "interface",
            f"several interfaces may be meant: {', '.join(names)}",
            f"choose the one that the others are on: homecluster join --interface {home[0].name}",
        )
    return passed("interface", f"{home[0].name} ({home[0].kind}), {home[0].address}")


def names(facts: Facts) -> Check:
    """This PC's own name must not lead to loopback."""
    address = facts.host_name_address
    if address is not None and _is_loopback(address):
        home = next((one.address for one in facts.interfaces if one.kind in _HOME), "ADDRESS")
        return warned(
            "names",
            f"/etc/hosts says that {facts.host_name} is {address}: programs started by hand bind to loopback "
            "(homecluster tells its engines the right address)",
            f"in /etc/hosts write: {home} {facts.host_name}",
        )
    return passed("names", f"{facts.host_name or 'the own name'} does not lead to loopback")


def firewall(facts: Facts) -> Check:
    """Members must reach the coordinator, and PCs of one copy each other."""
    active = [one for one in facts.firewalls if one.is_active]
    if facts.wsl is not None and facts.wsl.mode is WslMode.MIRRORED:
        first, last = facts.ephemeral_ports or GANG_PORTS
        return warned(
            "firewall",
            "Hyper-V's firewall stands before this WSL; whether it lets others in only a connection from another PC tells",
            f"only if that fails, in an administrator's PowerShell: {hyper_v_rule(first, last)}",
        )
    if not active:
        return passed("firewall", "no firewall of this PC is known to be active")
    one = active[0]
    if one.open_ports is not None and all(_open(one, port) for port in (CLUSTER_PORT, *GANG_PORTS)):
        return passed("firewall", f"{one.name} lets homecluster's ports in")
    return warned(
        "firewall",
        f"{one.name} is active"
        + ("" if one.open_ports is None else " and keeps homecluster's ports closed"),
        _rule(one, facts),
    )


def hyper_v_rule(first_port: int, last_port: int) -> str:
    """The one rule that lets the home network into a mirrored WSL; an ordinary Windows rule does not.

    Args:
        first_port: of the block of ports that Windows gives this WSL (ip_local_port_range).
        last_port: likewise.
    """
    return (
        f"New-NetFirewallHyperVRule -Name homecluster -DisplayName homecluster -Direction Inbound -VMCreatorId '{_EVERY_WSL}' "
        f"-Protocol TCP -LocalPorts '{CLUSTER_PORT}','{first_port}-{last_port}' -RemoteAddresses LocalSubnet -Action Allow"
    )


def _rule(one: FirewallFacts, facts: Facts) -> str:
    """The one rule, for the home network only."""
    network = _home_network(facts)
    first, last = GANG_PORTS
    if one.name == "ufw":
        return f"sudo ufw allow proto tcp from {network} to any port {CLUSTER_PORT},{first}:{last}"
    if one.name == "firewalld":
        rules = " ".join(
            f"--add-rich-rule='rule family=ipv4 source address={network} port port={ports} protocol=tcp accept'"
            for ports in (str(CLUSTER_PORT), f"{first}-{last}")
        )
        return f"sudo firewall-cmd --permanent {rules} && sudo firewall-cmd --reload"
    return f"let TCP {CLUSTER_PORT} and {first}-{last} in from {network}"


def _home_network(facts: Facts) -> str:
    """The /24 of the first home address, as home routers give it out."""
    for one in facts.interfaces:
        if one.kind in _HOME:
            try:
                return str(ipaddress.ip_network(f"{one.address}/24", strict=False))
            except ValueError:
                continue
    return "192.168.0.0/16"


def _open(one: FirewallFacts, port: int) -> bool:
    return any(first <= port <= last for first, last in one.open_ports or ())


def ports(facts: Facts) -> Check:
    """The documented ports are free, or held by ourselves."""
    if not facts.taken_ports:
        return passed("ports", f"{CLUSTER_PORT} and {PROBE_PORT} are free or ours")
    taken = ", ".join(f"{port} by {program}" for port, program in facts.taken_ports)
    return warned(
        "ports",
        f"taken: {taken}",
        "end that program, or choose another port: homecluster join --port N, netprobe serve --port N",
    )


def proxies(facts: Facts) -> Check:
    """gRPC and HTTP clients send home traffic to a proxy where variables say so."""
    if not facts.proxies:
        return passed("proxies", "no proxy stands before the home network")
    network = _home_network(facts)
    return warned(
        "proxies",
        f"{', '.join(facts.proxies)} send traffic of the home network to a proxy",
        f"export no_proxy=localhost,127.0.0.1,{network} (WSL: autoProxy=false in .wslconfig)",
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
