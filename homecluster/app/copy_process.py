"""The process that owns one copy: brings the model here, then runs it as any job."""

from __future__ import annotations

import sys
from pathlib import Path

from homecluster.app.copy_launch import copy_launch
from homecluster.app.copy_share import read_kept_order
from homecluster.app.engine import refresh_own_code
from homecluster.app.gang_model import model_by_name
from homecluster.app.gang_share_process import run_prepared
from homecluster.app.model_files import Tell, provide_folder
from homecluster.store.engine_store import find_engine
from homecluster.store.job_store import JobFolder, read_launch, write_launch
from homecluster.store.paths import Paths


def main(folder: JobFolder) -> int:
    """As a job's own process; state.json has the story."""
    return run_prepared(folder, _prepare)


def _prepare(paths: Paths, folder: JobFolder, tell: Tell) -> None:
    order = read_kept_order(folder)
    engine = refresh_own_code(find_engine(paths.engines, order.kind))
    found = model_by_name(paths, order.model)
    provide_folder(paths, found, engine, random_weights=order.random_weights, tell=tell)
    port = read_launch(folder).spec.port
    write_launch(folder, copy_launch(paths, folder, order, engine, port))


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
