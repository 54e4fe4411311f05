"""Why another PC cannot be reached, told from what was seen of it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from homecluster.domain.hardware import WslMode
from homecluster.domain.home_network import HomeAddress


class Dialled(StrEnum):
    """How a connection ended."""

    REFUSED = "refused"
    SILENT = "silent"
    NO_ROUTE = "no route"
    OTHER_KEY = "other key"
    """Something answered that is not the pinned cluster."""


class Cause(StrEnum):
    """Closed; each has its remedy in docs/join.md."""

    NOT_RUNNING = "not-running"
    IMPOSTOR = "impostor"
    WSL_NAT = "wsl-nat"
    OTHER_NETWORK = "other-network"
    CLIENT_ISOLATION = "client-isolation"
    FIREWALL = "firewall"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known after a connection to `target` failed."""

    target: str
    port: int
    dialled: Dialled
    own: tuple[HomeAddress, ...]
    tunnels: tuple[HomeAddress, ...] = ()
    """VPNs of this PC, which are not used unless chosen."""
    neighbours: Mapping[str, bool]
    """Address -> whether it answered below IP, read after the attempt."""
    wsl_mode: WslMode | None = None
    is_alive_elsewhere: bool = False
    """The coordinator hears it at this moment: it is neither off nor gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    cause: Cause
    why: str
    """One sentence with what was seen."""
    remedy: str


def explain(seen: Seen) -> Unreachable:
    """The cause that fits what was seen, most telling first."""
    where = f"{seen.target} port {seen.port}"
    if seen.dialled is Dialled.REFUSED:
        return Unreachable(
            cause=Cause.NOT_RUNNING,
            why=f"{seen.target} is there, but nothing listens on port {seen.port}",
            remedy="start homecluster on that PC (homecluster join), and look whether address and port are its own: homecluster nodes",
        )
    if seen.dialled is Dialled.OTHER_KEY:
        return Unreachable(
            cause=Cause.IMPOSTOR,
            why=f"what answers at {where} does not hold this cluster's key",
            remedy="another cluster has that address now, or somebody poses as yours; give the right one with --address.",
        )
    network = next((one for one in seen.own if IPv4Address(seen.target) in one.network), None)
    if network is None:
        return _elsewhere(seen)
    if seen.neighbours.get(seen.target, False):
        return Unreachable(
            cause=Cause.FIREWALL,
            why=f"{seen.target} is on this network, but its firewall swallows connections to port {seen.port}",
            remedy=f"allow TCP port {seen.port} from the home network on that PC.",
        )
    return _silent_neighbour(seen, network)


def _elsewhere(seen: Seen) -> Unreachable:
    if seen.wsl_mode is WslMode.NAT:
        return Unreachable(
            cause=Cause.WSL_NAT,
            why=f"this is WSL2 behind Windows' NAT, and {seen.target} did not answer through it",
            remedy="look whether Windows itself reaches it: ping there; see docs/wsl.md for mirrored mode.",
        )
    own = ", ".join(f"{one.address} ({one.interface})" for one in seen.own) or "no home address"
    choice = ", ".join(f"--interface {one.interface}" for one in seen.tunnels)
    return Unreachable(
        cause=Cause.OTHER_NETWORK,
        why=f"{seen.target} is on none of this PC's networks ({own})",
        remedy="connect both PCs to one router"
        + (f"; or, if a VPN joins them, on both PCs: {choice}" if choice else "")
        + ".",
    )


def _silent_neighbour(seen: Seen, network: HomeAddress) -> Unreachable:
    others = sorted(
        (
            one
            for one, answers in seen.neighbours.items()
            if answers and one != seen.target and IPv4Address(one) in network.network
        ),
        key=IPv4Address,
    )
    if others or seen.is_alive_elsewhere:
        who = f"{others[0]} does" if others else "others hear it"
        return Unreachable(
            cause=Cause.CLIENT_ISOLATION,
            why=f"{seen.target} is on this network but does not even answer who it is, while {who}: "
            + (
                "this Wi-Fi keeps its clients apart"
                if seen.is_alive_elsewhere
                else "it is switched off, or this Wi-Fi keeps its clients apart"
            ),
            remedy="use a cable or a router of your own, switch client (AP) isolation or the guest network off, "
            "or join both PCs by a VPN and choose it with --interface.",
        )
    return Unreachable(
        cause=Cause.ABSENT,
        why=f"nobody on {network.interface} ({network.network}) answers, {seen.target} neither",
        remedy="look whether this PC is connected and the other one is switched on.",
    )
