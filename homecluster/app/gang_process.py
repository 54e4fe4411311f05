"""The process that leads one gang: `python -m homecluster.app.gang_process FOLDER`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from homecluster.app.api_key import read_api_key
from homecluster.app.gang_leader import Charge, Leader
from homecluster.app.job_process import Recorder
from homecluster.app.leading_process import stop_at_signals, stop_with_its_command
from homecluster.app.ports import Members
from homecluster.domain.job import Failed
from homecluster.engines.vllm_gang_order import tokens_of
from homecluster.errors import HomeclusterError
from homecluster.launch.bounded_log import BoundedLog
from homecluster.launch.forward import Forwarder
from homecluster.store import gang_store
from homecluster.store.gang_store import GangRecord
from homecluster.store.job_store import JobFolder, Launch, read_launch
from homecluster.store.paths import paths_at

MODULE = "homecluster.app.gang_process"


def main(folder: JobFolder) -> int:
    """0 after a stop that was asked for, 5 after a failure; state.json has the story."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - tests lead with members of their own

    paths = paths_at(folder.path.parent.parent, os.environ)
    return lead(folder, LocalAgent(paths.home))


def lead(folder: JobFolder, members: Members) -> int:
    """As `main`, with these members."""
    os.umask(0o077)
    launch, record = read_launch(folder), gang_store.read_gang(folder)
    api_key = read_api_key(launch.spec.api_key_file)
    secrets = {
        name: gang_store.read_token(folder, name) for name in tokens_of(record.parts[0].order)
    }
    if api_key:
        secrets["api_key"] = api_key
    log = BoundedLog(folder.engine_log, secrets=tuple(secrets.values()))
    leader = Leader(
        Charge(parts=record.parts, secrets=secrets, start_limit_s=launch.start_limit_s),
        members,
        Recorder(folder, None).record,
        lambda line: _keep(log, line),
    )
    stop_at_signals(leader.ask_to_stop)
    if launch.tied:
        stop_with_its_command(leader.ask_to_stop)
    with _forwarded(launch, record, members):
        last = leader.run()
    return 5 if isinstance(last, Failed) else 0


def _keep(log: BoundedLog, line: str) -> None:
    log.write(line.encode())


@contextlib.contextmanager
def _forwarded(launch: Launch, record: GangRecord, members: Members) -> Iterator[None]:
    """While inside, the API answers on this PC too."""
    if not record.forwards:
        yield
        return
    first = record.parts[0]

    def way() -> str:
        try:
            return members.tunnel(first.node, first.order.share_id)
        except HomeclusterError as error:
            raise ConnectionError(error.message) from error

    forwarder = Forwarder(launch.spec.host, launch.spec.port, way)
    try:
        yield
    finally:
        forwarder.close()


if __name__ == "__main__":
    sys.exit(main(JobFolder(path=Path(sys.argv[1]))))
