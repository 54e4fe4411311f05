"""The process that owns one job: `python -m homecluster.app.job_process FOLDER`."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.api_key import read_api_key
from homecluster.app.start_phases import StartPhases
from homecluster.domain.job import Failed, JobState
from homecluster.errors import MissingError
from homecluster.launch import cgroup, scratch
from homecluster.launch.bounded_log import BoundedLog
from homecluster.launch.identity import identity_of
from homecluster.launch.process_environment import process_environment
from homecluster.launch.supervisor import Charge, Supervisor
from homecluster.store.job_store import JobEntry, JobFolder, Owner, read_launch, write_entry

MODULE = "homecluster.app.job_process"
log = logging.getLogger(MODULE)


def main(folder: JobFolder) -> int:
    """0 after a stop that was asked for, 5 after a failure; state.json has the story."""
    os.umask(0o077)
    launch = read_launch(folder)
    api_key = read_api_key(launch.spec.api_key_file)
    (command,) = launch.spec.commands
    group = cgroup.make_group(f"homecluster-{folder.job_id}")
    charge = Charge(
        job_id=folder.job_id,
        spec=launch.spec,
        environment=process_environment(
            os.environ,
            command=command.env + scratch.make_scratch(folder.job_id),
            job_id=folder.job_id,
            api_key=api_key,
        ),
        api_key=api_key,
        folder=folder.path,
        group=group,
        start_limit_s=launch.start_limit_s,
        tied=launch.tied,
    )
    recorder = Recorder(folder, group)
    engine_log = BoundedLog(folder.engine_log, secrets=(api_key,) if api_key else ())
    last = Supervisor(charge, engine_log, recorder.record).run()
    if group is not None:
        cgroup.remove_group(group)
    scratch.remove_scratch(folder.job_id)
    return 5 if isinstance(last, Failed) else 0


class Recorder:
    """Writes each state with who wrote it; a full disk must not end a job that runs."""

    def __init__(self, folder: JobFolder, group: Path | None) -> None:
        me = identity_of(os.getpid())
        assert me is not None
        self._folder = folder
        self._owner = Owner(boot_id=me.boot_id, pid=me.pid, start_ticks=me.start_ticks)
        self._group = str(group) if group else None
        self._phases = StartPhases()

    def record(self, state: JobState) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = JobEntry(
            state=self._phases.timed(state), owner=self._owner, group=self._group, written_at=now
        )
        try:
            write_entry(self._folder, entry)
        except MissingError as error:
            log.warning("state not written: %s", error.message)


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
