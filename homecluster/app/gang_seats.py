"""Which members of the cluster hold the ranks of a plan, at which addresses, and what each brings."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from homecluster.app.ports import Members
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Layout
from homecluster.domain.member import Health, Member
from homecluster.domain.plan import Backend
from homecluster.domain.topology import Cluster
from homecluster.engines.vllm_gang_parity import mismatches
from homecluster.errors import InputError, PeerError

CHECK_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """A member that holds ranks of the plan."""

    planned: NodeId
    """As the plan calls that PC."""
    member: Member
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a PC said that it would bring."""

    versions: Mapping[str, str]
    interface: str
    first_port: int
    model_is_here: bool
    cores: int
    can_fence: bool
    missing: str
    """What a dry run shall tell of this PC; empty: nothing."""


def planned_nodes(layout: Layout, cluster: Cluster) -> tuple[NodeId, ...]:
    """The PCs of the layout's first copy, in rank order."""
    (first, *_) = layout.replicas
    devices = [cluster.device(one) for stage in first for one in stage.devices]
    return tuple(dict.fromkeys(device.node_id for device in devices))


def seat(nodes: tuple[NodeId, ...], members: tuple[Member, ...]) -> tuple[Seated, ...]:
    """The members behind a plan's PCs.

    Raises:
        InputError: a PC is no member of the cluster, or lies behind WSL's NAT.
        PeerError: a member does not answer now, or its address is unknown.
    """
    return tuple(_seat(node, members) for node in nodes)


def _seat(node: NodeId, members: tuple[Member, ...]) -> Seated:
    found = [member for member in members if node in (member.name, member.node)]
    if not found:
        known = ", ".join(member.name for member in members)
        raise InputError(
            f"{node} of the plan is no member of this cluster",
            hint=f"members: {known}. On that PC type: homecluster join",
        )
    member = found[0]
    if not member.can_be_dialled:
        raise InputError(
            f"{node} lies behind WSL's NAT: the ranks of a copy must reach it (rule behind-nat)",
            hint="switch its WSL to mirrored networking, or run whole copies: --replicas 2",
        )
    if member.health is not Health.ALIVE:
        raise PeerError(
            f"{node} does not answer now ({member.health})",
            hint="homecluster nodes shows who does.",
        )
    if member.address is None:
        raise PeerError(f"the address of {node} is unknown", hint="homecluster nodes")
    return Seated(planned=node, member=member, address=member.address)


def check_all(
    members: Members,
    seats: tuple[Seated, ...],
    *,
    kind: DeviceKind,
    model: str,
    shape: str,
    random_weights: bool,
    ports: int,
    dry_run: bool = False,
) -> tuple[Brought, ...]:
    """What every PC brings, asked at the same time.

    Raises:
        PeerError: a PC lacks something; names the PC.
    """

    def ask(one: Seated) -> Brought:
        body = {
            "kind": str(kind), "address": one.address, "model": model, "shape": shape,
            "random_weights": random_weights, "ports": ports, "dry_run": dry_run,
        }  # fmt: skip
        try:
            told = members.ask(one.member.node, "share.check", body, deadline_s=CHECK_WITHIN_S)
        except (InputError, PeerError) as error:
            raise PeerError(f"{one.member.name}: {error.message}", hint=error.hint) from error
        return _brought(told)

    with ThreadPoolExecutor(max_workers=len(seats)) as pool:
        return tuple(pool.map(ask, seats))


def _brought(told: Mapping[str, Any]) -> Brought:
    return Brought(
        versions={str(name): str(version) for name, version in told["versions"].items()},
        interface=str(told["interface"]),
        first_port=int(told["first_port"]),
        model_is_here=bool(told["model_is_here"]),
        cores=int(told["cores"]),
        can_fence=told["can_fence"] is True,
        missing=str(told["missing"]),
    )


def check_parity(seats: tuple[Seated, ...], brought: tuple[Brought, ...], backend: Backend) -> None:
    """Refuse PCs with unlike versions (PeerError), with the exact difference."""
    versions = {one.member.name: its.versions for one, its in zip(seats, brought, strict=True)}
    unlike = mismatches(versions, backend)
    if unlike:
        raise PeerError(
            f"these PCs cannot run one copy together: {'; '.join(unlike)}",
            hint="upgrade the older side: pip install --upgrade homecluster, then homecluster engine install",
        )
