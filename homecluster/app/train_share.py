"""What a PC does when it is asked to take part in a training: check, start, look, stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from homecluster.app import job_end, jobs
from homecluster.app.gang_share_launch import interface_of, own_node
from homecluster.app.gang_share_report import log_since
from homecluster.app.share_folder import LEASE_S, ShareKind, renew
from homecluster.app.shared_model import is_model_here
from homecluster.app.train_order import TrainOrder, order_table, read_order
from homecluster.app.training_packages import engine_that_trains
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import Command, JobId, LaunchSpec, Running
from homecluster.domain.order_reader import number, text
from homecluster.engines.vllm_gang_document import MODEL, SHAPE
from homecluster.inventory.software import engine_versions, own_versions
from homecluster.launch.gang_fence import can_fence
from homecluster.launch.start import start_detached
from homecluster.store.engine_store import Engine
from homecluster.store.files import read_json
from homecluster.store.job_store import Launch, state_table, write_launch
from homecluster.store.paths import Paths

MODULE: Final = "homecluster.app.train_share_process"
TRAININGS: Final = ShareKind(
    what="training",
    file="training.json",
    schema="homecluster.train-share/1",
    table=order_table,
    read=read_order,
)
CODE_FILE: Final = "code.json"
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_MOST_BYTES = 2**40

Body = Mapping[str, Any]


def check(paths: Paths, body: Body) -> dict[str, Any]:
    """What this PC would bring into a training; starts nothing.

    Raises:
        InputError, MissingError: the engine, its training packages or the address is not here.
    """
    kind = DeviceKind(text(body, "kind", re.compile("cpu|cuda")))
    engine = engine_that_trains(paths.engines, kind)
    interface_of(text(body, "address", _ADDRESS))
    name, shape = text(body, "model", MODEL), text(body, "shape", SHAPE)
    random_weights = body.get("random_weights") is True
    return {
        "versions": dict((*own_versions(lambda: None), *engine_versions(engine.python))),
        "model_is_here": is_model_here(paths, name, shape, random_weights=random_weights),
        "can_fence": can_fence(),
    }


def start(paths: Paths, asker: str, body: Body) -> dict[str, Any]:
    """Start this PC's share; the same order again changes nothing.

    Raises:
        InputError: the order is not one that this PC may obey.
        MissingError: what it needs is not here.
        LaunchError: a share of that name was here before.
    """
    order = read_order(body.get("order"))
    if TRAININGS.is_begun(paths, order):
        return {"share": order.share_id}
    engine = engine_that_trains(paths.engines, order.kind)
    interface_of(order.addresses[order.share])
    folder = TRAININGS.begin(paths, order, asker, number(body, "lease_s", *LEASE_S))
    nothing = Command(node=own_node(), argv=(), env=(), ready_when="its model and data are here")
    write_launch(folder, share_launch(order, engine, nothing))
    start_detached(MODULE, folder.path, folder.supervisor_log, tied=False)
    return {"share": order.share_id}


def look(paths: Paths, body: Body) -> dict[str, Any]:
    """The share's state and what its log said since; renews its lease.

    Raises:
        InputError: no share of that name is here.
    """
    view = jobs.look(TRAININGS.folder_of(paths, body))
    renew(view, body)
    return _report(view, body)


def stop(paths: Paths, body: Body) -> dict[str, Any]:
    """Ask the share to end, and how far that is.

    Raises:
        InputError: no share of that name is here.
    """
    view = job_end.ask_to_stop(jobs.look(TRAININGS.folder_of(paths, body)))
    return _report(view, body)


def share_launch(order: TrainOrder, engine: Engine, command: Command) -> Launch:
    """The share as a job of this PC; it answers on no port."""
    return Launch(
        job_id=JobId(order.share_id),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine.name,
        model=order.model,
        random_weights=order.random_weights,
        start_limit_s=float(LEASE_S[1]),
        spec=LaunchSpec(commands=(command,), host="127.0.0.1", port=0, served_model=order.model),
    )


def _report(view: jobs.JobView, body: Body) -> dict[str, Any]:
    """Whole numbers only: fractions do not travel between PCs."""
    place = number(body, "place", 0, _MOST_BYTES) if "place" in body else 0
    lines, after = log_since(view.folder.engine_log, place)
    table = state_table(view.state)
    if isinstance(view.state, Running):
        table = {"state": "running", "start_up_s": round(view.state.start_up_s)}
    ended = view.folder.path / CODE_FILE
    code = read_json(ended, "exit code") if ended.exists() else None
    return {**table, "code": code, "log": lines, "place": after, "processes": view.processes}
