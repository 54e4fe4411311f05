"""The use case `up`: a plan for this PC becomes a job that answers over HTTP."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.api_key import read_api_key
from homecluster.app.engine import refresh_own_code
from homecluster.app.job_end import forget_old
from homecluster.app.job_port import job_port
from homecluster.app.job_process import MODULE
from homecluster.app.jobs import JobView, living, look, look_at_all
from homecluster.app.model_files import Tell, provide_folder
from homecluster.domain.hardware import DeviceKind, Node
from homecluster.domain.job import JobId, LaunchSpec, is_over
from homecluster.domain.plan import Plan, PlanSet, Rejection, VerdictKind
from homecluster.engines.vllm_launch import Installation, Served, launch_spec
from homecluster.errors import HomeclusterError, InputError, LaunchError
from homecluster.launch.ports import is_loopback
from homecluster.launch.start import start_detached
from homecluster.store.engine_store import find_engine, python_of
from homecluster.store.job_store import JobFolder, Launch, write_launch
from homecluster.store.models import FoundModel
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table, workload_table

LEAST_START_LIMIT_S = 600.0
"""vLLM's own patience with its engine; slow disks and first downloads need it."""
START_LIMIT_FACTOR = 4
KEPT_FOLDERS = 20
"""Of jobs that are over; older ones are removed when a new one starts."""
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """This PC."""

    paths: Paths
    node: Node
    cores: tuple[int, ...]
    """Logical CPU ids for the engine to compute on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asked `up` for, beyond the plan."""

    found: FoundModel
    random_weights: bool
    host: str
    port: int
    """0: the next free one."""
    api_key_file: Path | None
    tied: bool
    """The job ends with this command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """A job that was just started."""

    folder: JobFolder
    supervisor: subprocess.Popen[bytes]


def check_any(plans: PlanSet) -> None:
    """Refuse to launch where no plan fits (HomeclusterError, exit 1)."""
    if plans.plans:
        return
    why = plans.verdict.reason
    if (
        plans.rejections and plans.verdict.kind is not VerdictKind.CANNOT_RUN
    ):  # without the pins it could
        why = f"nothing fits what was asked: {_own_refusal(plans).detail}; without that, {why}"
    raise HomeclusterError(
        why,
        hint=f"homecluster plan --model {plans.model.name} --all shows every refusal.",
    )


def _own_refusal(plans: PlanSet) -> Rejection:
    """The refusal of what was asked as a whole, where there is one beside those of single PCs."""
    too_many = (each for each in plans.rejections if each.rule == "not-enough-devices")
    return next(too_many, plans.rejections[0])


def is_on(plan: Plan, node: Node) -> bool:
    """Whether the plan is one copy on this PC."""
    own = {device.id for device in node.devices}
    return len(plan.layout.replicas) == 1 and own.issuperset(plan.layout.devices)


def best_here(plans: PlanSet, node: Node) -> Plan:
    """The best plan of one copy on this PC.

    Raises:
        HomeclusterError: nothing fits this PC (exit 1).
        InputError: only other layouts were asked for.
    """
    check_any(plans)
    here = [plan for plan in plans.plans if is_on(plan, node)]
    if not here:
        raise InputError("no plan of one copy on this PC alone was asked for")
    return here[0]


def check_exposure(host: str, api_key_file: Path | None) -> None:
    """Refuse to open the API to other PCs without a key (InputError)."""
    if api_key_file is None and not is_loopback(host):
        raise InputError(
            f"--host {host} opens the API to other PCs: it needs --api-key-file FILE",
            hint="(umask 077; openssl rand -hex 24 > key), then --api-key-file key",
        )
    read_api_key(str(api_key_file) if api_key_file else None)


def launch(here: Here, plans: PlanSet, plan: Plan, wanted: Wanted, tell: Tell) -> Up:
    """Start the job of a plan on this PC; it comes up on its own, `follow` tells how far it is.

    Raises:
        InputError, MissingError: as the steps before the start find; nothing is left of them.
    """
    check_exposure(wanted.host, wanted.api_key_file)
    port = job_port(here.paths, wanted.host, wanted.port)
    engine = refresh_own_code(find_engine(here.paths.engines, kind_of(plan, here.node)))
    model_folder = provide_folder(
        here.paths, wanted.found, engine, random_weights=wanted.random_weights, tell=tell
    )
    installation = installation_at(engine.path, engine.openmp_library, here.cores)
    spec = spec_of(
        here.node, plans, plan, wanted, installation=installation, folder=model_folder, port=port
    )
    folder = JobFolder(path=here.paths.jobs / new_job_id(spec.served_model, spec.port))
    record = Launch(
        job_id=folder.job_id,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine.name,
        model=wanted.found.spec.name,
        model_folder=str(model_folder),
        random_weights=wanted.random_weights,
        start_limit_s=max(LEAST_START_LIMIT_S, START_LIMIT_FACTOR * plan.estimate.start_up_s.high),
        spec=spec,
        tied=wanted.tied,
        plan=plan_table(plan),
        workload=workload_table(plans.workload),
        cluster_fingerprint=plans.cluster_fingerprint,
    )
    forget_old(here.paths.jobs, keep=KEPT_FOLDERS)
    write_launch(folder, record)
    supervisor = start_detached(MODULE, folder.path, folder.supervisor_log, tied=wanted.tied)
    return Up(folder=folder, supervisor=supervisor)


def follow(up: Up) -> Iterator[JobView]:
    """The job's states as they change, until nothing of it is left; never ends before it does.

    Raises:
        LaunchError: the supervisor itself did not come up.
    """
    last = None
    while True:
        has_exited = up.supervisor.poll() is not None
        view = look(up.folder)
        if has_exited and view.entry is None:
            words = up.folder.supervisor_log.read_text(errors="replace").strip().splitlines()
            raise LaunchError(
                f"the job's supervisor ended at once: {words[-1] if words else 'no word why'}",
                hint=f"its log is {up.folder.supervisor_log}",
            )
        if view.state != last:
            last = view.state
            yield view
        if is_over(view.state):
            return
        time.sleep(_LOOK_EVERY_S)


def others_running(paths: Paths) -> Sequence[JobView]:
    """Jobs that take memory and cores from a new one."""
    return living(look_at_all(paths.jobs))


def kind_of(plan: Plan, node: Node) -> DeviceKind:
    first = plan.layout.devices[0]
    kinds = [device.kind for device in node.devices if device.id == first]
    if not kinds:
        raise InputError(
            f"this plan uses {first}, which is not on this PC; `up` starts jobs on this PC so far"
        )
    return kinds[0]


def installation_at(
    engine: Path, openmp_library: str | None, cores: tuple[int, ...]
) -> Installation:
    return Installation(python=str(python_of(engine)), cores=cores, openmp_library=openmp_library)


def spec_of(
    node: Node,
    plans: PlanSet,
    plan: Plan,
    wanted: Wanted,
    *,
    installation: Installation,
    folder: Path | None,
    port: int,
) -> LaunchSpec:
    """The one process to start for a plan inside this PC; `folder` holds the model, None while it is only previewed."""
    found = wanted.found
    key_file = wanted.api_key_file
    return launch_spec(
        layout=plan.layout,
        estimate=plan.estimate,
        workload=plans.workload,
        node=node,
        served=Served(
            spec=found.spec,
            folder=str(folder) if folder else found.hub_id or str(found.folder),
            is_local=folder is not None,
            name=found.spec.name,
            host=wanted.host,
            port=port,
            api_key_file=str(key_file.absolute()) if key_file else None,
        ),
        installation=installation,
    )


def new_job_id(served_model: str, port: int) -> JobId:
    """`gpt2-8000-k3f9`: what a person recognises, and four random digits."""
    name = re.sub(r"[^a-z0-9.]+", "-", served_model.lower().rpartition("/")[2]).strip("-.")
    return JobId(f"{name[:40] or 'model'}-{port}-{secrets.token_hex(2)}")
