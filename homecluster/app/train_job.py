"""A training as a job of the PC that leads it, so that status, logs, down and the page know it."""

from __future__ import annotations

import re
import secrets
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from homecluster.app.job_end import forget_old
from homecluster.app.job_process import Recorder
from homecluster.app.train_ready import Ready, Run
from homecluster.domain.ids import NodeId
from homecluster.domain.job import (
    Command,
    Failed,
    JobId,
    JobState,
    LaunchSpec,
    Running,
    Starting,
    Stopped,
)
from homecluster.domain.training import TrainPlan
from homecluster.launch.bounded_log import BoundedLog
from homecluster.store.job_store import JobFolder, Launch, write_launch
from homecluster.store.paths import Paths
from homecluster.store.train_document import train_plan_table
from homecluster.store.training_store import TrainingNow, write_training

KEPT_FOLDERS: Final = 20
_STEP = re.compile(r"step (\d+) of (\d+): loss (\S+), (\S+) samples/s")
"""As `homecluster.jobs.train_zero` says it."""
_CHECKPOINT = re.compile(r"step-(\d+)")


class TrainJob:
    """The job of one `up --train`, over all its attempts; this process owns it.

    SIGTERM, by which `down` ends a job, becomes what Ctrl-C is, so that the other PCs end too.
    """

    def __init__(self, paths: Paths, node: NodeId, output: Path) -> None:
        self.folder = JobFolder(path=paths.jobs / f"train-{secrets.token_hex(4)}")
        self._jobs = paths.jobs
        self._node = node
        self._output = output
        self._recorder = Recorder(self.folder, None)
        self._now: TrainingNow | None = None
        self._begun_s = 0.0

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)
        if self._now is not None:
            self._recorder.record(self._last_state(kind, error))

    def begin(self, ready: Ready, plan: TrainPlan, run: Run, engine: str) -> None:
        """An attempt on these PCs, with the engine of that name."""
        self._begun_s = time.monotonic()
        if self._now is None:
            forget_old(self._jobs, keep=KEPT_FOLDERS)
        nodes = (self._node, *(mate.node for mate in ready.mates))
        write_launch(self.folder, self._launch(plan, run, engine))
        self._tell(
            TrainingNow(
                nodes=tuple(map(str, nodes)),
                output=str(self._output),
                predicted_samples_per_s=plan.estimate.samples_per_s.mid,
            )
        )
        self._recorder.record(Starting(phase=f"starting on {' and '.join(nodes)}"))

    def heard(self, line: str) -> None:
        """A line of rank 0."""
        step = _STEP.fullmatch(line.strip())
        if step is None or self._now is None:
            return
        if self._now.step == 0:
            self._recorder.record(Running(start_up_s=time.monotonic() - self._begun_s))
        done, steps, loss, rate = step.groups()
        self._tell(
            replace(
                self._now,
                step=int(done),
                steps=int(steps),
                loss=float(loss),
                samples_per_s=float(rate),
            )
        )

    @property
    def log(self) -> BoundedLog:
        return BoundedLog(self.folder.engine_log)

    def _tell(self, now: TrainingNow) -> None:
        self._now = now
        write_training(self.folder, now)

    def _launch(self, plan: TrainPlan, run: Run, engine: str) -> Launch:
        """It answers on no port."""
        command = Command(node=self._node, argv=(), env=(), ready_when="its first step is done")
        name = run.found.spec.name
        return Launch(
            job_id=JobId(self.folder.job_id),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            engine=engine,
            model=name,
            random_weights=run.random_weights,
            start_limit_s=0.0,
            spec=LaunchSpec(commands=(command,), host="127.0.0.1", port=0, served_model=name),
            tied=True,
            plan=train_plan_table(plan),
        )

    def _last_state(
        self, kind: type[BaseException] | None, error: BaseException | None
    ) -> JobState:
        if kind is None:
            return Stopped(reason=f"finished; the model is {self._output / 'model'}")
        if kind is KeyboardInterrupt:
            return Stopped(reason=f"asked to stop; {self._kept()}")
        return Failed(node=self._node, reason=f"{error}; {self._kept()}")

    def _kept(self) -> str:
        folders = (self._output / "checkpoints").glob("step-*")
        steps = [int(found[1]) for one in folders if (found := _CHECKPOINT.fullmatch(one.name))]
        return f"--resume goes on after step {max(steps)}" if steps else "there is no checkpoint"
