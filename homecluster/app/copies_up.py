"""The use case `up` for whole copies on several PCs: the plan becomes orders, and one address before them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from homecluster.app.copies_places import (
    CHECK_WITHIN_S,
    Home,
    Place,
    check_all,
    host_of,
    nodes_of,
    places_of,
)
from homecluster.app.copy_order import order_table
from homecluster.app.dry_run import DryRun, port_trouble
from homecluster.app.job_port import job_port
from homecluster.app.model_files import local_folder, random_folder
from homecluster.app.shared_model import SLOWEST_COPY_BYTES_PER_S, bytes_to_give, offer_model
from homecluster.app.up import Here, Up, Wanted, check_exposure, new_job_id
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.errors import HomeclusterError
from homecluster.launch.start import start_detached
from homecluster.store import copies_store
from homecluster.store.copies_store import Copies, OrderedCopy
from homecluster.store.job_store import JobFolder, Launch, write_launch
from homecluster.store.plan_document import plan_table, workload_table

MODULE: Final = "homecluster.app.copies_process"
"""By its name: importing it would load the router."""
LEAST_SILENCE_S: Final = 180.0
SILENCE_FACTOR: Final = 10
"""Times the predicted first token: a prompt may be far longer than the planned one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Copies that may start: every PC was asked, nothing runs yet."""

    places: tuple[Place, ...]
    without_model: tuple[str, ...]
    """Names of the copies whose PC fetches, copies or makes the model's files first."""
    files_bytes: int
    """Of the model's files on this PC; 0 where it has none to give."""
    port: int


def is_for_copies(plan: Plan, cluster: Cluster, here: NodeId) -> bool:
    """Whether every copy lies within one PC, and one address must stand before them."""
    homes = [nodes_of(copy, cluster) for copy in plan.layout.replicas]
    alone = len(homes) == 1 and homes[0] == {here}
    return all(len(nodes) == 1 for nodes in homes) and not alone


def make_ready(home: Home, plans: PlanSet, plan: Plan, wanted: Wanted) -> Ready:
    """Ask every PC what it brings, and decide what each shall run; starts nothing.

    Raises:
        InputError: a PC of the plan is no member of the cluster.
        PeerError: a PC does not answer, or lacks the engine.
        MissingError: the port is taken.
    """
    check_exposure(wanted.host, wanted.api_key_file)
    port = job_port(home.here.paths, wanted.host, wanted.port)
    job = new_job_id(wanted.found.spec.name, port)
    places = places_of(home, plans, plan, wanted, job)
    others = {place.member.node for place in places if place.member and not place.is_here}
    offer_model(home.here.paths, wanted.found, job=job, to=others)
    told = check_all(home, places)
    return Ready(
        places=places,
        without_model=tuple(
            place.name
            for place, its in zip(places, told, strict=True)
            if its.get("model_is_here") is not True
        ),
        files_bytes=bytes_to_give(wanted.found, random_weights=wanted.random_weights),
        port=port,
    )


def dry_run_copies(home: Home, plans: PlanSet, plan: Plan, wanted: Wanted) -> DryRun:
    """The router's command, and what every PC would start, as far as it can tell already.

    Raises:
        InputError: a PC of the plan is no member of the cluster.
        PeerError: it does not answer now.
    """
    check_exposure(wanted.host, wanted.api_key_file)
    job = new_job_id(wanted.found.spec.name, wanted.port)
    places = places_of(home, plans, plan, wanted, job)
    previews, missing = [], [port_trouble(home.here.paths, wanted)]
    for place in places:
        body = {"order": order_table(place.order)}
        try:
            told = host_of(home, place).ask("copy.preview", body, deadline_s=CHECK_WITHIN_S)
        except HomeclusterError as error:
            previews.append(_later(place))
            missing.append(f"{place.name}: {error.message}")
        else:
            previews.append(_command(place, told))
            missing.append(f"{place.name}: {told['missing']}" if told.get("missing") else None)
    spec = _spec(home.here, job, wanted.port, wanted)
    return DryRun(
        spec=replace(spec, commands=(*spec.commands, *previews)),
        missing=tuple(filter(None, missing)),
    )


def launch_copies(
    here: Here, plans: PlanSet, plan: Plan, wanted: Wanted, ready: Ready, *, fewer: bool
) -> Up:
    """Start the router, which starts the copies; `follow` tells how far they are."""
    first = ready.places[0].order
    folder = JobFolder(path=here.paths.jobs / first.job)
    record = Launch(
        job_id=JobId(first.job),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=f"{len(ready.places)} copies",
        model=wanted.found.spec.name,
        model_folder=_folder_here(here, wanted, ready) or first.model,
        random_weights=wanted.random_weights,
        start_limit_s=first.start_limit_s + ready.files_bytes / SLOWEST_COPY_BYTES_PER_S,
        spec=_spec(here, JobId(first.job), ready.port, wanted),
        tied=wanted.tied,
        plan=plan_table(plan),
        workload=workload_table(plans.workload),
        cluster_fingerprint=plans.cluster_fingerprint,
    )
    copies = Copies(
        copies=tuple(
            OrderedCopy(
                name=place.name,
                node=place.member.node if place.member else here.node.id,
                is_here=place.is_here,
                order=order_table(place.order),
            )
            for place in ready.places
        ),
        fewer=fewer,
        silent_s=max(LEAST_SILENCE_S, SILENCE_FACTOR * plan.estimate.first_token_s.high),
    )
    copies_store.write_copies(folder, copies)
    write_launch(folder, record)
    supervisor = start_detached(MODULE, folder.path, folder.supervisor_log, tied=wanted.tied)
    return Up(folder=folder, supervisor=supervisor)


def _folder_here(here: Here, wanted: Wanted, ready: Ready) -> str:
    """Where the model's files lie on this PC, or will when its own copy runs; empty where they do not."""
    folder = local_folder(here.paths, wanted.found, random_weights=wanted.random_weights)
    makes_it = wanted.random_weights and any(place.is_here for place in ready.places)
    if folder is None and makes_it:
        folder = random_folder(here.paths, wanted.found)
    return str(folder or "")


def _command(place: Place, told: Mapping[str, Any]) -> Command:
    return Command(
        node=NodeId(place.name),
        argv=tuple(map(str, told["argv"])),
        env=tuple((str(name), str(value)) for name, value in told["env"].items()),
        ready_when="a token came through the router",
    )


def _later(place: Place) -> Command:
    """Of a PC that cannot tell its command yet."""
    return Command(
        node=NodeId(place.name),
        argv=(),
        env=(),
        ready_when="that PC makes its command once it has what is missing",
    )


def _spec(here: Here, job: JobId, port: int, wanted: Wanted) -> LaunchSpec:
    folder = here.paths.jobs / job
    router = Command(
        node=here.node.id,
        argv=(sys.executable, "-m", MODULE, str(folder)),
        env=(),
        ready_when="a token came from every copy",
    )
    key_file = wanted.api_key_file
    return LaunchSpec(
        commands=(router,),
        host=wanted.host,
        port=port,
        served_model=wanted.found.spec.name,
        api_key_file=str(key_file.absolute()) if key_file else None,
    )
