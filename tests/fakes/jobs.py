"""Jobs whose engine is tests/fakes/engine.py, in a folder of their own."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from homecluster.app.jobs import JobView, look
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.launch.start import start_detached
from homecluster.store.job_store import JobFolder, Launch, write_launch
from tests.ports import unused_port

ENGINE = Path(__file__).with_name("engine.py")


@dataclass
class FakeJob:
    folder: JobFolder
    mark: str
    port: int
    supervisor: subprocess.Popen[bytes]

    def wait_for(self, wanted: Callable[[JobView], bool], within_s: float = 20.0) -> JobView:
        deadline = time.monotonic() + within_s
        while not wanted(view := look(self.folder)):
            assert time.monotonic() < deadline, view.state
            time.sleep(0.05)
        return view

    def let_go(self) -> None:
        """As the command that started a tied job does when it ends."""
        assert self.supervisor.stdin is not None
        self.supervisor.stdin.close()

    def processes(self) -> list[psutil.Process]:
        """Everything of the engine that lives, even without its environment, session or parent."""
        found = []
        for process in psutil.process_iter():
            try:
                if self.mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def wait_until_nothing_is_left(self, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while left := self.processes():
            assert time.monotonic() < deadline, [process.cmdline() for process in left]
            time.sleep(0.05)


def start_fake(
    jobs: Path,
    behaviour: str,
    *,
    tied: bool = False,
    start_limit_s: float = 60.0,
    api_key_file: Path | None = None,
) -> FakeJob:
    mark, port = f"mark-{uuid.uuid4().hex}", unused_port()
    folder = JobFolder(path=jobs / f"fake-{mark[-6:]}")
    command = Command(
        node=NodeId("here"),
        argv=(sys.executable, str(ENGINE), str(port), behaviour, mark),
        env=(("PYTHONUNBUFFERED", "1"),),
        ready_when="a token came",
    )
    launch = Launch(
        job_id=JobId(folder.path.name),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine="fake",
        model="x",
        model_folder="/nowhere",
        random_weights=False,
        start_limit_s=start_limit_s,
        spec=LaunchSpec(
            commands=(command,),
            host="127.0.0.1",
            port=port,
            served_model="x",
            api_key_file=str(api_key_file) if api_key_file else None,
        ),
        tied=tied,
        plan={},
        workload={},
        cluster_fingerprint=None,
    )
    write_launch(folder, launch)
    supervisor = start_detached(
        "homecluster.app.job_process", folder.path, folder.supervisor_log, tied=tied
    )
    return FakeJob(folder, mark, port, supervisor)
