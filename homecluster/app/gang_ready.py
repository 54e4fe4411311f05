"""Getting a gang ready: every PC is asked what it brings, and what each shall run is decided; nothing starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.app.dry_run import port_trouble
from homecluster.app.gang_preview import previews
from homecluster.app.gang_seats import (
    Brought,
    Seated,
    check_all,
    check_parity,
    planned_nodes,
    seat,
)
from homecluster.app.job_port import job_port
from homecluster.app.ports import Members
from homecluster.app.shared_model import (
    SLOWEST_COPY_BYTES_PER_S,
    bytes_to_give,
    offer_model,
    shape_of,
    shared_name,
)
from homecluster.app.up import (
    LEAST_START_LIMIT_S,
    START_LIMIT_FACTOR,
    Wanted,
    check_exposure,
    new_job_id,
)
from homecluster.domain.job import Command
from homecluster.domain.plan import Backend, Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.engines.ray_command import PORTS_EACH
from homecluster.engines.vllm_gang_order import (
    Asked,
    Seat,
    share_orders,
)
from homecluster.errors import InputError, PeerError
from homecluster.planner.backend_choice import Chosen, choose_backend
from homecluster.planner.rules import Refusal
from homecluster.store.gang_store import Part
from homecluster.store.paths import Paths

_MP_PORTS: Final = 2
"""The meeting port, and the API's where it is on another PC than the one where `up` was typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A gang that may start: every PC was asked, nothing runs yet."""

    backend: Chosen
    seats: tuple[Seated, ...]
    brought: tuple[Brought, ...]
    parts: tuple[Part, ...]
    commands: tuple[Command, ...]
    """As each PC itself would start them."""
    forwards: bool
    port: int
    """Of the API on this PC."""
    files_bytes: int
    """Of the model's files on this PC; 0 where it has none to give."""
    missing: tuple[str, ...]
    """What a start would stumble over; only a dry run comes so far with any."""


def make_ready(
    members: Members,
    cluster: Cluster,
    plans: PlanSet,
    plan: Plan,
    wanted: Wanted,
    *,
    here: Paths,
    backend: Backend | None = None,
    dry_run: bool = False,
) -> Ready:
    """Ask every PC what it brings, and decide what each shall run; starts nothing.

    A dry run goes on without an engine, with unlike versions and with a taken port, and says so.

    Raises:
        InputError: no backend keeps the plan's placement; a PC is no member, or behind NAT.
        PeerError: a PC does not answer, lacks something, or has other versions.
        MissingError: the port is taken.
    """
    gathered = _gather(members, cluster, plan, wanted, here=here, backend=backend, dry_run=dry_run)
    orders = share_orders(
        layout=plan.layout,
        estimate=plan.estimate,
        workload=plans.workload,
        spec=wanted.found.spec,
        cluster=cluster,
        seats=tuple(Seat(node=one.planned, address=one.address) for one in gathered.seats),
        asked=_asked(gathered, plan, wanted),
    )
    parts = tuple(
        Part(node=one.member.node, name=one.member.name, order=order)
        for one, order in zip(gathered.seats, orders, strict=True)
    )
    return Ready(
        backend=gathered.backend,
        seats=gathered.seats,
        brought=gathered.brought,
        parts=parts,
        commands=previews(members, parts),
        forwards=gathered.forwards,
        port=gathered.port,
        files_bytes=gathered.files_bytes,
        missing=gathered.missing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What the PCs said, and what this one chose; nothing is ordered yet."""

    job: str
    backend: Chosen
    seats: tuple[Seated, ...]
    brought: tuple[Brought, ...]
    port: int
    files_bytes: int
    missing: tuple[str, ...]

    @property
    def forwards(self) -> bool:
        """Whether the API is on another PC than the one where `up` was typed."""
        return not self.seats[0].member.is_here


def _gather(
    members: Members,
    cluster: Cluster,
    plan: Plan,
    wanted: Wanted,
    *,
    here: Paths,
    backend: Backend | None,
    dry_run: bool,
) -> _Gathered:
    check_exposure(wanted.host, wanted.api_key_file)
    seats = seat(planned_nodes(plan.layout, cluster), members.members())
    (copy,) = plan.layout.replicas
    chosen = _chosen(choose_backend(copy, {one.planned: one.address for one in seats}, backend))
    port = wanted.port if dry_run else job_port(here, wanted.host, wanted.port)
    job = new_job_id(wanted.found.spec.name, port)
    others = {one.member.node for one in seats if not one.member.is_here}
    if not dry_run:
        offer_model(here, wanted.found, job=job, to=others)
    brought = check_all(
        members,
        seats,
        kind=cluster.device(copy[0].devices[0]).kind,
        model=shared_name(wanted.found),
        shape=shape_of(wanted.found.config),
        random_weights=wanted.random_weights,
        ports=_ports(chosen.backend),
        dry_run=dry_run,
    )
    if not dry_run:
        check_parity(seats, brought, chosen.backend)
    return _Gathered(
        job=job,
        backend=chosen,
        seats=seats,
        brought=brought,
        port=port,
        files_bytes=bytes_to_give(wanted.found, random_weights=wanted.random_weights),
        missing=_missing(seats, brought, chosen.backend, port_trouble(here, wanted))
        if dry_run
        else (),
    )


def _missing(
    seats: tuple[Seated, ...], brought: tuple[Brought, ...], backend: Backend, trouble: str | None
) -> tuple[str, ...]:
    found = [
        f"{one.member.name}: {its.missing}"
        for one, its in zip(seats, brought, strict=True)
        if its.missing
    ]
    if not found:  # a PC without an engine has no versions to compare
        try:
            check_parity(seats, brought, backend)
        except PeerError as error:
            found = [error.message]
    return (*found, *([trouble] if trouble else ()))


def _asked(gathered: _Gathered, plan: Plan, wanted: Wanted) -> Asked:
    """What all shares are told alike; behind a forwarder the API stays on its PC's loopback."""
    backend, first_port = gathered.backend.backend, gathered.brought[0].first_port
    start_s = max(LEAST_START_LIMIT_S, START_LIMIT_FACTOR * plan.estimate.start_up_s.high)
    last_port = first_port + _ports(backend) - 1
    return Asked(
        job=gathered.job,
        backend=backend,
        model=shared_name(wanted.found),
        shape=shape_of(wanted.found.config),
        random_weights=wanted.random_weights,
        served_model=wanted.found.spec.name,
        meeting_port=first_port,
        api_port=last_port if gathered.forwards else gathered.port,
        api_host="127.0.0.1" if gathered.forwards else wanted.host,
        start_limit_s=start_s + gathered.files_bytes // SLOWEST_COPY_BYTES_PER_S,
    )


def _ports(backend: Backend) -> int:
    """How many free ports in a row the first share's PC is asked for."""
    return PORTS_EACH if backend is Backend.RAY else _MP_PORTS


def _chosen(choice: Chosen | Refusal) -> Chosen:
    if isinstance(choice, Refusal):
        raise InputError(
            f"no backend keeps the stages where the plan has them (rule {choice.rule}): {choice.detail}",
            hint="homecluster plan --all shows layouts that can be kept.",
        )
    return choice
