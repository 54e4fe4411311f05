"""The use case `up` for one copy over several PCs: the leader of a gang that is ready is started."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from homecluster.app.dry_run import DryRun
from homecluster.app.gang_process import MODULE
from homecluster.app.gang_ready import Ready
from homecluster.app.model_files import local_folder, random_folder
from homecluster.app.up import Here, Up, Wanted
from homecluster.domain.job import JobId, LaunchSpec
from homecluster.domain.plan import Backend, Plan, PlanSet
from homecluster.engines.vllm_gang_order import tokens_of
from homecluster.launch.start import start_detached
from homecluster.planner.ranking import joined_by
from homecluster.store import gang_store
from homecluster.store.gang_store import GangRecord
from homecluster.store.job_store import JobFolder, Launch, write_launch
from homecluster.store.plan_document import plan_table, workload_table


def is_for_gang(plan: Plan) -> bool:
    """Whether the plan's one copy spans several PCs."""
    return plan.backend is not Backend.NONE and len(plan.layout.replicas) == 1


def dry_run_gang(ready: Ready, wanted: Wanted) -> DryRun:
    """The commands that every PC would start, and what is missing for it."""
    return DryRun(spec=_spec(ready, wanted), missing=ready.missing)


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
        plan=plan_table(joined_by(plan, ready.backend)),
        workload=workload_table(plans.workload),
        cluster_fingerprint=plans.cluster_fingerprint,
    )
    gang_store.write_gang(folder, GangRecord(parts=ready.parts, forwards=ready.forwards))
    for name in tokens_of(first):
        gang_store.write_token(folder, name, secrets.token_hex(32))
    write_launch(folder, record)
    supervisor = start_detached(MODULE, folder.path, folder.supervisor_log, tied=wanted.tied)
    return Up(folder=folder, supervisor=supervisor)


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


def _spec(ready: Ready, wanted: Wanted) -> LaunchSpec:
    key_file = wanted.api_key_file
    return LaunchSpec(
        commands=ready.commands,
        host=wanted.host,
        port=ready.port,
        served_model=wanted.found.spec.name,
        api_key_file=str(key_file.absolute()) if key_file else None,
    )
