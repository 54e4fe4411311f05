"""What a PC does when it is asked to run a whole copy of a model: check, start, look, stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from homecluster.app import job_end, jobs
from homecluster.app.copy_launch import HOST, first_launch, plan_copy
from homecluster.app.copy_order import (
    SHARE,
    CopyOrder,
    number,
    order_table,
    read_order,
    text,
)
from homecluster.app.dry_run import engine_or_its_place
from homecluster.app.gang_share import KEPT_FOLDERS
from homecluster.app.shared_model import is_model_here
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Running, is_over
from homecluster.engines.vllm_gang_document import MODEL, SHAPE
from homecluster.errors import InputError, LaunchError
from homecluster.inventory.software import engine_versions, own_versions
from homecluster.inventory.system import read_system
from homecluster.launch.gang_ports import free_ports
from homecluster.launch.lease import write_lease
from homecluster.launch.start import start_detached
from homecluster.store import share_files
from homecluster.store.engine_store import find_engine
from homecluster.store.files import read_json, write_json
from homecluster.store.job_store import JobFolder, state_table, write_launch
from homecluster.store.paths import Paths

MODULE: Final = "homecluster.app.copy_process"
LEASE_S: Final = (5, 600)
HERE: Final = NodeId("")
"""Leads copies that this PC itself started without an agent."""
ORDER_FILE: Final = "copy.json"
ORDER_SCHEMA: Final = "homecluster.copy/1"
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
    folder = JobFolder(path=paths.shares / order.share_id)
    if folder.launch_file.exists():
        if read_kept_order(folder) == order:
            return {"share": order.share_id}
        raise LaunchError(f"{order.share_id} was started here before, with another order")
    engine = find_engine(paths.engines, order.kind)
    job_end.forget_old(paths.shares, keep=KEPT_FOLDERS)
    table = {"schema": ORDER_SCHEMA, "led_by": asker, "order": order_table(order)}
    write_json(folder.path / ORDER_FILE, table)
    share_files.write_secret(folder, "api_key", key)
    write_lease(folder.path, lease_s)
    write_launch(folder, first_launch(folder, order, engine, free_ports(HOST, 1)))
    start_detached(MODULE, folder.path, folder.supervisor_log, tied=False)
    return {"share": order.share_id}


def look(paths: Paths, body: Body) -> dict[str, Any]:
    """The copy as it is now; renews its lease.

    Raises:
        InputError: no copy of that name is here.
    """
    folder = _folder_of(paths, body)
    view = job_end.settled(jobs.glance(folder))
    if not is_over(view.state):
        write_lease(folder.path, number(body, "lease_s", *LEASE_S))
    return _report(view)


def stop(paths: Paths, body: Body) -> dict[str, Any]:
    """Ask the copy to end, and how far that is; asked twice it ends without grace.

    Raises:
        InputError: no copy of that name is here.
    """
    view = job_end.ask_to_stop(jobs.look(_folder_of(paths, body)))
    return _report(view)


def listed(paths: Paths) -> tuple[tuple[str, NodeId], ...]:
    """(share, who leads it) of every copy that lives here for another PC."""
    found = []
    for view in jobs.living(jobs.look_at_all(paths.shares)):
        try:
            order, led_by = read_kept(view.folder)
        except InputError:
            continue  # a gang's share, or a damaged folder
        if led_by != HERE:
            found.append((order.share_id, led_by))
    return tuple(found)


def read_kept_order(folder: JobFolder) -> CopyOrder:
    """The order in a copy's folder.

    Raises:
        InputError: as `read_kept`.
    """
    return read_kept(folder)[0]


def read_kept(folder: JobFolder) -> tuple[CopyOrder, NodeId]:
    """The order in a copy's folder, and the PC that gave it.

    Raises:
        InputError: it is damaged, or the folder is of something else.
    """
    document = read_json(folder.path / ORDER_FILE, "copy order")
    if not isinstance(document, dict) or document.get("schema") != ORDER_SCHEMA:
        raise InputError(f"{folder.path / ORDER_FILE} is not a {ORDER_SCHEMA} document")
    return read_order(document.get("order")), NodeId(str(document.get("led_by")))


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


def _folder_of(paths: Paths, body: Body) -> JobFolder:
    folder = JobFolder(path=paths.shares / text(body, "share", SHARE))
    if not (folder.path / ORDER_FILE).is_file():
        raise InputError(f"this PC has no copy {folder.job_id}")
    return folder
