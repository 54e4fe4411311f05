"""The use case `up` for one copy over several PCs: the plan becomes orders, and a leader that gives them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from homecluster.app.gang_preview import previews
from homecluster.app.gang_process import MODULE
from homecluster.app.gang_seats import (
    Brought,
    Seated,
    check_all,
    check_parity,
    planned_nodes,
    seat,
)
from homecluster.app.model_files import local_folder, random_folder
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
    Here,
    Up,
    Wanted,
    check_exposure,
    new_job_id,
)
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.domain.plan import Backend, Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.engines.ray_command import PORTS_EACH
from homecluster.engines.vllm_gang_order import (
    Asked,
    Seat,
    share_orders,
    tokens_of,
)
from homecluster.errors import InputError
from homecluster.launch.ports import usable_port
from homecluster.launch.start import start_detached
from homecluster.planner.backend_choice import Chosen, choose_backend
from homecluster.planner.rules import Refusal
from homecluster.store import gang_store
from homecluster.store.gang_store import GangRecord, Part
from homecluster.store.job_store import JobFolder, Launch, write_launch
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table, workload_table

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


def is_for_gang(plan: Plan) -> bool:
    """Whether the plan's one copy spans several PCs."""
    return plan.backend is not Backend.NONE and len(plan.layout.replicas) == 1


def make_ready(
    members: Members,
    cluster: Cluster,
    plans: PlanSet,
    plan: Plan,
    wanted: Wanted,
    *,
    here: Paths,
    backend: Backend | None = None,
) -> Ready:
    """Ask every PC what it brings, and decide what each shall run; starts nothing.

    Raises:
        InputError: no backend keeps the plan's placement; a PC is no member, or behind NAT.
        PeerError: a PC does not answer, lacks something, or has other versions.
        MissingError: the port is taken.
    """
    check_exposure(wanted.host, wanted.api_key_file)
    seats = seat(planned_nodes(plan.layout, cluster), members.members())
    addresses = {one.planned: one.address for one in seats}
    (copy,) = plan.layout.replicas
    chosen = _chosen(choose_backend(copy, addresses, backend))
    port = usable_port(wanted.host, wanted.port)
    job = new_job_id(wanted.found.spec.name, port)
    others = {one.member.node for one in seats if not one.member.is_here}
    offer_model(here, wanted.found, job=job, to=others)
    name, shape = shared_name(wanted.found), shape_of(wanted.found.config)
    brought = check_all(
        members,
        seats,
        kind=cluster.device(copy[0].devices[0]).kind,
        model=name,
        shape=shape,
        random_weights=wanted.random_weights,
        ports=PORTS_EACH if chosen.backend is Backend.RAY else _MP_PORTS,
    )
    check_parity(seats, brought, chosen.backend)
    forwards = not seats[0].member.is_here
    files_bytes = bytes_to_give(wanted.found, random_weights=wanted.random_weights)
    orders = share_orders(
        layout=plan.layout,
        estimate=plan.estimate,
        workload=plans.workload,
        spec=wanted.found.spec,
        cluster=cluster,
        seats=tuple(Seat(node=one.planned, address=one.address) for one in seats),
        asked=Asked(
            job=job,
            backend=chosen.backend,
            model=name,
            shape=shape,
            random_weights=wanted.random_weights,
            served_model=wanted.found.spec.name,
            meeting_port=brought[0].first_port,
            api_port=_api_port(chosen.backend, brought[0].first_port) if forwards else port,
            api_host="127.0.0.1" if forwards else wanted.host,
            start_limit_s=max(
                LEAST_START_LIMIT_S, START_LIMIT_FACTOR * plan.estimate.start_up_s.high
            )
            + files_bytes // SLOWEST_COPY_BYTES_PER_S,
        ),
    )
    parts = tuple(
        Part(node=one.member.node, name=one.member.name, order=order)
        for one, order in zip(seats, orders, strict=True)
    )
    return Ready(
        backend=chosen,
        seats=seats,
        brought=brought,
        parts=parts,
        commands=previews(members, parts),
        forwards=forwards,
        port=port,
        files_bytes=files_bytes,
    )


def dry_run_gang(ready: Ready, wanted: Wanted) -> LaunchSpec:
    """The commands that every PC would start."""
    return _spec(ready, wanted)


def launch_gang(here: Here, plans: PlanSet, plan: Plan, wanted: Wanted, ready: Ready) -> Up:
    """Start the leader of the gang; `follow` tells how far it is."""
    first = ready.parts[0].order
    folder = JobFolder(path=here.paths.jobs / first.job)
    record = Launch(
        job_id=JobId(first.job),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=f"{first.backend} over {len(ready.parts)} PCs",
        model=wanted.found.spec.name,
        model_folder=_model_folder(here, wanted),
        random_weights=wanted.random_weights,
        start_limit_s=first.start_limit_s,
        spec=_spec(ready, wanted),
        tied=wanted.tied,
        plan=plan_table(plan),
        workload=workload_table(plans.workload),
        cluster_fingerprint=plans.cluster_fingerprint,
    )
    gang_store.write_gang(folder, GangRecord(parts=ready.parts, forwards=ready.forwards))
    for name in tokens_of(first):
        gang_store.write_token(folder, name, secrets.token_hex(32))
    write_launch(folder, record)
    started = start_detached(MODULE, folder.path, folder.supervisor_log, tied=wanted.tied)
    return Up(folder=folder, started=started)


def open_on(ready: Ready) -> tuple[str, ...]:
    """Names of the PCs on which the engine's ports cannot be fenced."""
    return tuple(
        one.member.name
        for one, its in zip(ready.seats, ready.brought, strict=True)
        if not its.can_fence
    )


def _model_folder(here: Here, wanted: Wanted) -> str:
    """On this PC, for those who measure the job from here: its tokenizer, its shape."""
    found = wanted.found
    folder = local_folder(here.paths, found, random_weights=wanted.random_weights)
    if folder is None and wanted.random_weights:
        folder = random_folder(here.paths, found)
    return str(folder or found.folder or found.hub_id or found.spec.name)


def not_here_yet(ready: Ready) -> tuple[str, ...]:
    """Names of the PCs that fetch or make the model first."""
    return tuple(
        one.member.name
        for one, its in zip(ready.seats, ready.brought, strict=True)
        if not its.model_is_here
    )


def _chosen(choice: Chosen | Refusal) -> Chosen:
    if isinstance(choice, Refusal):
        raise InputError(
            f"no backend keeps the stages where the plan has them (rule {choice.rule}): {choice.detail}",
            hint="homecluster plan --all shows layouts that can be kept.",
        )
    return choice


def _api_port(backend: Backend, first_port: int) -> int:
    """The last of the ports that share 0's PC named as free."""
    return first_port + (PORTS_EACH if backend is Backend.RAY else _MP_PORTS) - 1


def _spec(ready: Ready, wanted: Wanted) -> LaunchSpec:
    key_file = wanted.api_key_file
    return LaunchSpec(
        commands=ready.commands,
        host=wanted.host,
        port=ready.port,
        served_model=wanted.found.spec.name,
        api_key_file=str(key_file.absolute()) if key_file else None,
    )
