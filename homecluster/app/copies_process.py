"""The process of a job of several copies: routes their one address, and looks after each copy.

Started as `python -m homecluster.app.copies_process FOLDER`. When it is killed, each copy ends by its lease.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from homecluster.app.api_key import read_api_key
from homecluster.app.copies_conductor import Charge, Conductor
from homecluster.app.copies_host import OtherPc, ThisPc
from homecluster.app.copies_line import Host, Pace
from homecluster.app.job_process import Recorder
from homecluster.app.leading_process import stop_at_signals, stop_with_its_command
from homecluster.app.ports import Members
from homecluster.domain.job import Failed
from homecluster.launch.bounded_log import BoundedLog
from homecluster.router.watch import Patience
from homecluster.store import copies_store
from homecluster.store.job_store import JobFolder, read_launch
from homecluster.store.paths import Paths, paths_at

_KEY_BYTES = 24


def main(folder: JobFolder) -> int:
    """0 after a stop that was asked for, 5 after a failure; state.json has the story."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - copies on this PC alone need no agent

    paths = paths_at(folder.path.parent.parent, os.environ)
    return conduct(folder, paths, LocalAgent(paths.home))


def conduct(
    folder: JobFolder,
    paths: Paths,
    members: Members,
    *,
    pace: Pace | None = None,
    patience: Patience | None = None,
) -> int:
    """As `main`, with these members."""
    os.umask(0o077)
    launch, copies = read_launch(folder), copies_store.read_copies(folder)
    api_key, copies_key = read_api_key(launch.spec.api_key_file), secrets.token_hex(_KEY_BYTES)
    log = BoundedLog(folder.engine_log, secrets=tuple(filter(None, (api_key, copies_key))))
    hosts: dict[str, Host] = {
        one.name: ThisPc(paths) if one.is_here else OtherPc(members, one.node)
        for one in copies.copies
    }
    charge = Charge(
        launch=launch,
        copies=copies,
        hosts=hosts,
        api_key=api_key,
        copies_key=copies_key,
        pace=pace or Pace(),
        patience=patience or Patience(silent_s=copies.silent_s),
    )
    conductor = Conductor(
        charge,
        Recorder(folder, None).record,
        lambda line: _write(log, line),
        lambda now: copies_store.write_now(folder, now),
    )
    stop_at_signals(conductor.ask_to_stop)
    if launch.tied:
        stop_with_its_command(conductor.ask_to_stop)
    return 5 if isinstance(asyncio.run(conductor.run()), Failed) else 0


def _write(log: BoundedLog, line: str) -> None:
    log.write(f"{time.strftime('%H:%M:%S')} {line}".encode())


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
