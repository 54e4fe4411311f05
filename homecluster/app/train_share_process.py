"""The process that owns one share of a training: brings model and data here, then runs the ranks to their end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

from homecluster.app.engine import refresh_own_code
from homecluster.app.file_pull import Source, pull_model
from homecluster.app.gang_share_launch import own_node
from homecluster.app.gang_share_process import FENCED, NOT_FENCED, run_prepared
from homecluster.app.job_process import Recorder
from homecluster.app.model_files import Tell, local_folder
from homecluster.app.shared_model import bring_model
from homecluster.app.train_command import Folders, train_command
from homecluster.app.train_failure import reason_of
from homecluster.app.train_order import settings_of
from homecluster.app.train_share import CODE_FILE, TRAININGS, share_launch
from homecluster.app.training_packages import find_training
from homecluster.domain.job import Failed, JobState, Running, Stopped
from homecluster.errors import MissingError
from homecluster.launch.bounded_log import BoundedLog
from homecluster.launch.engine_tool import Finished, run_tool
from homecluster.launch.gang_fence import fenced
from homecluster.launch.lease import overdue_s
from homecluster.store.engine_store import find_engine
from homecluster.store.files import write_json
from homecluster.store.job_store import JobFolder, read_launch, write_launch
from homecluster.store.paths import Paths

DATA: Final = "data"
DATA_FILE: Final = "rows.txt"
"""Among the names that members may copy from each other."""
LIMIT_S: Final = 30 * 24 * 3600.0
_LEASE_PAUSE_S: Final = 1.0


class _AskedToStopError(Exception):
    """SIGTERM while the ranks run: from the leader, or because the lease ran out."""


def main(folder: JobFolder) -> int:
    """0 after the end of the training or a stop that was asked for, 5 after a failure."""
    return run_prepared(folder, _prepare, _run)


def _prepare(paths: Paths, folder: JobFolder, tell: Tell) -> None:
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - not needed to run

    order, led_by = TRAININGS.kept(folder)
    engine = refresh_own_code(find_engine(paths.engines, order.kind))
    members = LocalAgent(paths.home)
    source = Source(members=members, node=led_by, model=order.model)
    found = bring_model(paths, order, engine, source, tell)
    model = local_folder(paths, found, random_weights=order.random_weights)
    if model is None:
        raise MissingError(f"the files of {order.model} did not come here")
    rows = Source(members=members, node=led_by, model=order.job)
    data = pull_model(rows, folder.path / DATA, only_config=False, tell=tell)
    settings = folder.path / "settings.json"
    write_json(settings, settings_of(order))
    folders = Folders(model=model, data=data / DATA_FILE, output=folder.path, settings=settings)
    command = train_command(order, engine, find_training(engine), folders, resume=False)
    write_launch(folder, share_launch(order, engine, command))


def _run(folder: JobFolder) -> int:
    order, _ = TRAININGS.kept(folder)
    (command,) = read_launch(folder).spec.commands
    recorder, log = Recorder(folder, None), BoundedLog(folder.engine_log)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _raise)
    threading.Thread(target=_watch_lease, args=(folder.path,), daemon=True).start()
    try:
        with fenced(order.addresses, first_ports=(), open_ports=()) as is_fenced:
            log.write(f"homecluster: {FENCED if is_fenced else NOT_FENCED}".encode())
            recorder.record(Running(start_up_s=0.0))
            ended = run_tool(
                command.argv,
                os.environ,
                variables=command.env,
                limit_s=LIMIT_S,
                tell=lambda line: _keep(log, line),
                tag=folder.job_id,
            )
    except _AskedToStopError as asked:
        recorder.record(Stopped(reason=f"asked to stop ({asked})"))
        return 0
    write_json(folder.path / CODE_FILE, ended.code)
    last = _last_state(ended)
    recorder.record(last)
    return 5 if isinstance(last, Failed) else 0


def _keep(log: BoundedLog, line: str) -> None:
    log.write(line.encode())


def _last_state(ended: Finished) -> JobState:
    if ended.code == 0:
        return Stopped(reason="finished")
    log_tail = ended.said[-30:] if ended.code > 0 else ()
    return Failed(node=own_node(), reason=reason_of(ended), log_tail=log_tail)


def _raise(number: int, _frame: object) -> None:
    for other in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
    ):  # once: it must not cut the clean-up short
        signal.signal(other, signal.SIG_IGN)
    raise _AskedToStopError(signal.Signals(number).name)


def _watch_lease(folder: Path) -> None:
    while overdue_s(folder) is None:
        time.sleep(_LEASE_PAUSE_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
