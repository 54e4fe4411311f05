"""What a PC does when it is asked to run a whole copy of a model: check, start, look, stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from homecluster.app import job_end, jobs
from homecluster.app.copy_launch import HOST, first_launch, plan_copy
from homecluster.app.copy_order import order_table, read_order
from homecluster.app.dry_run import engine_or_its_place
from homecluster.app.share_folder import LEASE_S, ShareKind, renew
from homecluster.app.shared_model import is_model_here
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import Failed, Running
from homecluster.domain.order_reader import number, text
from homecluster.engines.vllm_gang_document import MODEL, SHAPE
from homecluster.inventory.software import engine_versions, own_versions
from homecluster.inventory.system import read_system
from homecluster.launch.gang_ports import free_ports
from homecluster.launch.start import start_detached
from homecluster.store import share_files
from homecluster.store.engine_store import find_engine
from homecluster.store.job_store import JobFolder, state_table, write_launch
from homecluster.store.paths import Paths

MODULE: Final = "homecluster.app.copy_process"
COPIES: Final = ShareKind(
    what="copy", file="copy.json", schema="homecluster.copy/1", table=order_table, read=read_order
)
_TAIL_LINES = 30
_LINE_CHARACTERS = 400
_SECRET: Final = re.compile(r"[\x21-\x7e]{16,4096}")

Body = Mapping[str, Any]


def check(paths: Paths, body: Body) -> dict[str, Any]:
    """What this PC would bring into a job of several copies; starts nothing.

    Raises:
        InputError: the question is not one.
        MissingError: the engine is not here.
    """
    kind = DeviceKind(text(body, "kind", re.compile("cpu|cuda")))
    engine = find_engine(paths.engines, kind)
    name = text(body, "model", MODEL)
    shape = text(body, "shape", SHAPE)
    here = is_model_here(paths, name, shape, random_weights=body.get("random_weights") is True)
    versions = dict((*own_versions(lambda: None), *engine_versions(engine.python)))
    return {"engine": engine.name, "versions": versions, "model_is_here": here}


def preview(paths: Paths, body: Body) -> dict[str, Any]:
    """The command that this PC would start for an order, as far as it knows the model already.

    Raises:
        HomeclusterError: the model is not known here yet, or the copy does not fit.
    """
    order = read_order(body.get("order"))
    cores = read_system().engine_cores
    installation, missing = engine_or_its_place(paths, order.kind, cores)
    nowhere = JobFolder(path=paths.shares / order.share_id)
    (command,) = plan_copy(paths, nowhere, order, installation, 0).spec.commands
    return {"argv": list(command.argv), "env": dict(command.env), "missing": missing or ""}


def start(paths: Paths, asker: str, body: Body) -> dict[str, Any]:
    """Start the copy; the same order again changes nothing.

    Raises:
        InputError: the order is not one that this PC may obey.
        MissingError: what it needs is not here.
        LaunchError: a share of that name was here before, with another order.
    """
    order = read_order(body.get("order"))
    lease_s = number(body, "lease_s", *LEASE_S)
    key = text(body, "api_key", _SECRET)
    if COPIES.is_begun(paths, order):
        return {"share": order.share_id}
    engine = find_engine(paths.engines, order.kind)
    folder = COPIES.begin(paths, order, asker, lease_s)
    share_files.write_secret(folder, "api_key", key)
    write_launch(folder, first_launch(folder, order, engine, free_ports(HOST, 1)))
    start_detached(MODULE, folder.path, folder.supervisor_log, tied=False)
    return {"share": order.share_id}


def look(paths: Paths, body: Body) -> dict[str, Any]:
    """The copy as it is now; renews its lease.

    Raises:
        InputError: no copy of that name is here.
    """
    view = job_end.settled(jobs.glance(COPIES.folder_of(paths, body)))
    renew(view, body)
    return _report(view)


def stop(paths: Paths, body: Body) -> dict[str, Any]:
    """Ask the copy to end, and how far that is; asked twice it ends without grace.

    Raises:
        InputError: no copy of that name is here.
    """
    view = job_end.ask_to_stop(jobs.look(COPIES.folder_of(paths, body)))
    return _report(view)


def _report(view: jobs.JobView) -> dict[str, Any]:
    """Whole numbers only: fractions do not travel between PCs."""
    table = state_table(view.state)
    if isinstance(view.state, Running):
        table = {"state": "running", "start_up_ms": round(view.state.start_up_s * 1000)}
    if isinstance(view.state, Failed):
        table["log_tail"] = [line[:_LINE_CHARACTERS] for line in view.state.log_tail[-_TAIL_LINES:]]
    return {
        **table,
        "port": view.launch.spec.port,
        **_predicted(view),
    }


def _predicted(view: jobs.JobView) -> dict[str, int]:
    """What the PC's own plan expects of the copy; nothing before it is planned."""
    if not view.launch.plan:
        return {}
    estimate = view.launch.plan["estimate"]
    longest = int(view.launch.workload["max_model_len"])
    return {
        "milli_tokens_per_s": round(estimate["output_tokens_per_s"]["mid"] * 1000),
        "batch": max(1, int(estimate["kv_cache_tokens"]) // longest),
    }
