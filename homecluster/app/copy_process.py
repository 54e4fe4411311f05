"""The process that owns one copy: brings the model here, then runs it as any job."""

from __future__ import annotations

import sys
from pathlib import Path

from homecluster.app import job_process
from homecluster.app.copy_launch import copy_launch
from homecluster.app.copy_share import COPIES
from homecluster.app.engine import refresh_own_code
from homecluster.app.file_pull import Source
from homecluster.app.gang_share_process import run_prepared
from homecluster.app.model_files import Tell
from homecluster.app.share_folder import HERE
from homecluster.app.shared_model import bring_model
from homecluster.domain.ids import NodeId
from homecluster.store.engine_store import find_engine
from homecluster.store.job_store import JobFolder, read_launch, write_launch
from homecluster.store.paths import Paths


def main(folder: JobFolder) -> int:
    """As a job's own process; state.json has the story."""
    return run_prepared(folder, _prepare, job_process.main)


def _prepare(paths: Paths, folder: JobFolder, tell: Tell) -> None:
    order, led_by = COPIES.kept(folder)
    engine = refresh_own_code(find_engine(paths.engines, order.kind))
    bring_model(paths, order, engine, _source(paths, order.model, led_by), tell)
    port = read_launch(folder).spec.port
    write_launch(folder, copy_launch(paths, folder, order, engine, port))


def _source(paths: Paths, model: str, led_by: NodeId) -> Source | None:
    """The PC that leads the copies; None where that is this one."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - copies led from here need no agent

    if led_by == HERE:
        return None
    return Source(members=LocalAgent(paths.home), node=led_by, model=model)


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
