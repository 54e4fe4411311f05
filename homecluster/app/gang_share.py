"""What a PC does when it is asked to take part in a gang: check, start, look, stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homecluster.app import job_end, jobs
from homecluster.app.dry_run import engine_or_its_place
from homecluster.app.gang_share_launch import (
    command_here,
    installation_of,
    interface_of,
    own_node,
    share_launch,
)
from homecluster.app.gang_share_report import report
from homecluster.app.share_folder import KEPT_FOLDERS, LEASE_S, SHARE
from homecluster.app.shared_model import is_model_here
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import is_over
from homecluster.domain.order_reader import number, text
from homecluster.engines.vllm_gang_document import MODEL, SHAPE, read_order
from homecluster.engines.vllm_gang_order import ShareOrder, tokens_of
from homecluster.errors import InputError, LaunchError
from homecluster.inventory.software import engine_versions, own_versions
from homecluster.inventory.system import read_system
from homecluster.launch.gang_fence import can_fence
from homecluster.launch.gang_ports import free_ports
from homecluster.launch.lease import write_lease
from homecluster.launch.start import start_detached
from homecluster.launch.supervisor import RUNNING_FILE
from homecluster.store import share_files
from homecluster.store.engine_store import find_engine
from homecluster.store.job_document import command_table
from homecluster.store.job_store import JobFolder, write_launch
from homecluster.store.paths import Paths

MODULE: Final = "homecluster.app.gang_share_process"
_MOST_PORTS = 100
_MOST_BYTES = 2**40
_SECRET: Final = re.compile(r"[\x21-\x7e]{16,4096}")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")

Body = Mapping[str, Any]


def check(paths: Paths, body: Body) -> dict[str, Any]:
    """What this PC would bring into a gang; starts nothing.

    Who asks for a dry run is told that the engine is missing; all others are refused.

    Raises:
        InputError, MissingError: the engine, the model, the address or a port is not here.
    """
    kind = DeviceKind(text(body, "kind", re.compile("cpu|cuda")))
    address, name = text(body, "address", _ADDRESS), text(body, "model", MODEL)
    missing = None
    if body.get("dry_run") is True:
        installation, missing = engine_or_its_place(paths, kind, read_system().engine_cores)
    else:
        installation = installation_of(find_engine(paths.engines, kind))
    shape, is_random = text(body, "shape", SHAPE), body.get("random_weights") is True
    return {
        "node": own_node(),
        "versions": dict(
            (*own_versions(lambda: None), *engine_versions(Path(installation.python)))
        ),
        "missing": missing or "",
        "interface": interface_of(address),
        "first_port": free_ports(address, number(body, "ports", 1, _MOST_PORTS)),
        "model_is_here": is_model_here(paths, name, shape, random_weights=is_random),
        "cores": len(read_system().engine_cores),
        "can_fence": can_fence(),
    }


def preview(paths: Paths, body: Body) -> dict[str, Any]:
    """The command that `start` would start here for this order; starts nothing.

    Raises:
        InputError: as `start`.
    """
    order = _order(body)
    folder = JobFolder(path=paths.shares / order.share_id)
    installation, _ = engine_or_its_place(paths, order.kind, read_system().engine_cores)
    return command_table(command_here(paths, folder, order, installation))


def start(paths: Paths, asker: str, body: Body) -> dict[str, Any]:
    """Start this PC's share; the same order again changes nothing.

    Raises:
        InputError: the order is not one that this PC may obey.
        MissingError: what it needs is not here.
        LaunchError: a share of that name was here before.
    """
    order = _order(body)
    folder = JobFolder(path=paths.shares / order.share_id)
    if folder.launch_file.exists():
        if share_files.read_kept_order(folder)[0] == order:
            return {"share": order.share_id}
        raise LaunchError(f"{order.share_id} was started here before, with another order")
    lease_s, engine = number(body, "lease_s", *LEASE_S), find_engine(paths.engines, order.kind)
    interface_of(order.addresses[order.share])
    told = _secrets(body, order)
    job_end.forget_old(paths.shares, keep=KEPT_FOLDERS)
    share_files.write_order(folder, order, led_by=asker)
    for name, secret in told.items():
        share_files.write_secret(folder, name, secret)
    write_lease(folder.path, lease_s)
    write_launch(folder, share_launch(paths, folder, order, engine))
    start_detached(MODULE, folder.path, folder.supervisor_log, tied=False)
    return {"share": order.share_id}


def look(paths: Paths, body: Body) -> dict[str, Any]:
    """The share's state and what its log said since; renews its lease.

    Raises:
        InputError: no share of that name is here.
    """
    folder = _folder_of(paths, body)
    view = job_end.settled(jobs.glance(folder))
    if not is_over(view.state):
        write_lease(folder.path, number(body, "lease_s", *LEASE_S))
        if body.get("running") is True:
            (folder.path / RUNNING_FILE).touch(mode=0o600)
    return _report(folder, view, body)


def stop(paths: Paths, body: Body) -> dict[str, Any]:
    """Ask the share to end, and how far that is; asked twice it ends without grace.

    Raises:
        InputError: no share of that name is here.
    """
    folder = _folder_of(paths, body)
    view = job_end.ask_to_stop(jobs.look(folder))
    return _report(folder, view, body)


def listed(paths: Paths) -> dict[str, Any]:
    """The shares that live here, with the PC that leads each."""
    found = []
    for view in jobs.living(jobs.look_at_all(paths.shares)):
        try:
            order, led_by = share_files.read_kept_order(view.folder)
        except InputError:
            continue  # a whole copy, or a damaged folder
        found.append({"share": order.share_id, "job": order.job, "led_by": led_by})
    return {"shares": found}


def _order(body: Body) -> ShareOrder:
    table = body.get("order")
    if not isinstance(table, Mapping):
        raise InputError("order is missing")
    return read_order(table)


def _secrets(body: Body, order: ShareOrder) -> dict[str, str]:
    """The tokens that this order needs, and the API's key where there is one."""
    key = ("api_key",) if body.get("api_key") is not None else ()
    return {name: text(body, name, _SECRET) for name in (*tokens_of(order), *key)}


def _report(folder: JobFolder, view: jobs.JobView, body: Body) -> dict[str, Any]:
    order, _ = share_files.read_kept_order(folder)
    try:
        interface = interface_of(order.addresses[order.share])
    except InputError:
        interface = None  # the cable is out: the share may still be asked how it is
    place = number(body, "place", 0, _MOST_BYTES) if "place" in body else 0
    return report(folder, view, interface=interface, place=place)


def _folder_of(paths: Paths, body: Body) -> JobFolder:
    folder = JobFolder(path=paths.shares / text(body, "share", SHARE))
    if not folder.launch_file.is_file():
        raise InputError(f"this PC has no share {folder.job_id}")
    return folder
