"""The process that owns one share of a gang: brings the model here, then runs it as any job."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from homecluster.app import job_process
from homecluster.app.engine import refresh_own_code
from homecluster.app.file_pull import Source
from homecluster.app.gang_share_launch import own_node, share_launch
from homecluster.app.model_files import Tell
from homecluster.app.shared_model import bring_model
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Starting, Stopped
from homecluster.errors import HomeclusterError
from homecluster.launch.bounded_log import BoundedLog
from homecluster.launch.gang_fence import fenced
from homecluster.launch.lease import overdue_s
from homecluster.launch.ports import is_loopback
from homecluster.store import share_files
from homecluster.store.engine_store import find_engine
from homecluster.store.job_store import JobFolder, write_launch
from homecluster.store.paths import Paths, paths_at

_LEASE_PAUSE_S = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


FENCED = "only PCs of this job reach its ports here"
NOT_FENCED = "ports of this job are open to the network here (fencing needs root and nft)"


class _AskedToStopError(Exception):
    """A signal came while the model was brought here."""


Prepare = Callable[[Paths, JobFolder, Tell], None]
"""Brings what a share needs, and writes its final launch."""


def main(folder: JobFolder) -> int:
    """As a job's own process; state.json has the story."""
    return run_prepared(folder, _prepare, _run_fenced)


def run_prepared(folder: JobFolder, prepare: Prepare, run: Callable[[JobFolder], int]) -> int:
    """`prepare`, watched by the lease and told in state.json, and then `run`: the job itself."""
    os.umask(0o077)
    recorder = job_process.Recorder(folder, None)
    recorder.record(Starting(phase="starting"))
    for number in _SIGNALS:
        signal.signal(number, _raise)
    prepared = threading.Event()
    threading.Thread(target=_watch_lease, args=(folder, prepared), daemon=True).start()
    try:
        prepare(_paths_of(folder), folder, lambda line: recorder.record(Starting(phase=line)))
    except _AskedToStopError:
        recorder.record(Stopped(reason="asked to stop before its engine started"))
        return 0
    except HomeclusterError as error:
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        recorder.record(Failed(node=own_node(), reason=reason))
        return 5
    finally:
        prepared.set()
        for number in _SIGNALS:  # the supervisor sets its own in a moment; who asks, asks again
            signal.signal(number, signal.SIG_IGN)
    return run(folder)


def _run_fenced(folder: JobFolder) -> int:
    order, _ = share_files.read_kept_order(folder)
    left_open = (order.api_port,) if order.api_port and not is_loopback(order.api_host) else ()
    with fenced(
        order.addresses, first_ports=(order.meeting_port,), open_ports=left_open
    ) as is_fenced:
        words = FENCED if is_fenced else NOT_FENCED
        BoundedLog(folder.engine_log).write(f"homecluster: {words}".encode())
        return job_process.main(folder)


def _prepare(paths: Paths, folder: JobFolder, tell: Tell) -> None:
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - most shares have their model here

    order, led_by = share_files.read_kept_order(folder)
    engine = refresh_own_code(find_engine(paths.engines, order.kind))
    giver = Source(members=LocalAgent(paths.home), node=NodeId(led_by), model=order.model)
    bring_model(paths, order, engine, giver, tell)
    write_launch(folder, share_launch(paths, folder, order, engine))


def _paths_of(folder: JobFolder) -> Paths:
    """The home that the share's folder is in; the engines where the environment says."""
    return paths_at(folder.path.parent.parent, os.environ)


def _raise(number: int, _frame: object) -> None:
    raise _AskedToStopError(signal.Signals(number).name)


def _watch_lease(folder: JobFolder, prepared: threading.Event) -> None:
    while not prepared.wait(_LEASE_PAUSE_S):
        if overdue_s(folder.path) is not None:
            os.kill(os.getpid(), signal.SIGTERM)
            return


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
