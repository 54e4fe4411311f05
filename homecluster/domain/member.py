"""Who belongs to a cluster, and how each member is doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homecluster.domain.ids import NodeId


class Role(StrEnum):
    """What a member may ask for."""

    OPERATOR = "operator"
    """May start and stop jobs, and make tokens."""
    WORKER = "worker"
    """May look, plan, probe and diagnose."""


class Health(StrEnum):
    """What the coordinator last knew of a member."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    """Silent for longer than a few heartbeats."""
    DEAD = "dead"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One PC of the cluster."""

    node: NodeId
    name: str
    role: Role
    health: Health
    is_coordinator: bool
    is_here: bool
    """The PC that asks."""
    address: str | None
    """Where its connection came from, or the coordinator's own address."""
    interface: str | None
    """Its network interface of that connection."""
    can_be_dialled: bool
    """False behind WSL's NAT: other PCs reach it only through its own connection."""
    last_seen_s: float | None
    """Since its last heartbeat."""
    versions: tuple[tuple[str, str], ...] = ()
    """homecluster, protocol, python, and the engines that it has."""
