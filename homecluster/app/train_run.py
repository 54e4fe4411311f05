"""One attempt at a training: this PC's ranks run here, the others' on their PCs, and all end together."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.app.copies_places import Home
from homecluster.app.engine import refresh_own_code
from homecluster.app.model_files import Tell, provide_folder
from homecluster.app.offers import Offer, offer, strike_off
from homecluster.app.train_command import Folders, train_command
from homecluster.app.train_crew import Crew
from homecluster.app.train_failure import DELIBERATE, failure_of
from homecluster.app.train_job import TrainJob
from homecluster.app.train_order import TrainOrder, settings_of
from homecluster.app.train_ready import Ready, Run
from homecluster.app.train_share_process import DATA_FILE, LIMIT_S
from homecluster.app.training_packages import find_training
from homecluster.domain.job import Command
from homecluster.errors import LaunchError
from homecluster.launch.bounded_log import BoundedLog
from homecluster.launch.engine_tool import Finished, run_tool
from homecluster.launch.gang_fence import fenced
from homecluster.launch.strays import kill_tagged
from homecluster.launch.train_cause import Lost
from homecluster.store.engine_store import find_engine
from homecluster.store.files import write_json
from homecluster.store.models import weights_folder
from homecluster.store.paths import Paths

SETTINGS: Final = "settings.json"
LOG: Final = "training.log"
_KILL_WITHIN_S: Final = 10.0
_OFFERED_FOR_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What one attempt trains, and where it puts it."""

    ready: Ready
    run: Run
    data: Path
    output: Path
    resume: bool


def attempt(home: Home, wanted: Attempt, job: TrainJob, tell: Tell) -> dict[str, Any] | Lost:
    """What rank 0 measured, or which PC was lost on the way.

    Raises:
        InputError: the data is wrong, or the output holds another training.
        MissingError: the engine, weights or disk space are missing.
        LaunchError: it failed for another reason.
    """
    order = wanted.ready.order
    engine = refresh_own_code(find_engine(home.here.paths.engines, order.kind))
    model = provide_folder(
        home.here.paths, wanted.run.found, engine, random_weights=order.random_weights, tell=tell
    )
    wanted.output.mkdir(parents=True, exist_ok=True)
    settings = wanted.output / SETTINGS
    write_json(settings, settings_of(order))
    folders = Folders(model=model, data=wanted.data, output=wanted.output, settings=settings)
    command = train_command(order, engine, find_training(engine), folders, resume=wanted.resume)
    with _crew(home, wanted, tell) as crew:
        cause = crew.wait_until_ready()
        if cause is None:
            crew.follow(lambda: _end_own(job.folder.job_id))
            ended = _run_own(order, command, wanted.output, job, tell)
            if ended.code == 0:
                return _document(ended)
            cause = None if ended.code in DELIBERATE else crew.explain()
            if cause is None:
                raise failure_of(ended)
    if isinstance(cause, Lost):
        return cause
    raise DELIBERATE.get(cause.code, LaunchError)(f"{cause.name}: {cause.reason}")


def _run_own(
    order: TrainOrder, command: Command, output: Path, job: TrainJob, tell: Tell
) -> Finished:
    logs = (BoundedLog(output / LOG), job.log)

    def say(line: str) -> None:
        for log in logs:
            log.write(line.encode())
        job.heard(line)
        tell(line)

    with contextlib.ExitStack() as stack:
        if len(order.addresses) > 1:
            stack.enter_context(
                fenced(order.addresses, first_ports=(order.meeting_port,), open_ports=())
            )
        return run_tool(
            command.argv,
            os.environ,
            variables=command.env,
            limit_s=LIMIT_S,
            tell=say,
            tag=job.folder.job_id,
        )


def _end_own(job: str) -> None:
    kill_tagged(job, _KILL_WITHIN_S)


@contextlib.contextmanager
def _crew(home: Home, wanted: Attempt, tell: Tell) -> Iterator[Crew]:
    """The other PCs, started and ended; none for a training on this PC alone."""
    mates, paths = wanted.ready.mates, home.here.paths
    crew = Crew(home.members, mates, tell)
    offers = _offers(paths, wanted) if mates else ()
    try:
        for one in offers:
            offer(paths, one)
        crew.start()
        yield crew
    finally:
        crew.stop()
        for mate in mates:  # the model's offer ends with its time: another job may need it
            strike_off(paths, mate.order.job, mate.node)


def _offers(paths: Paths, wanted: Attempt) -> tuple[Offer, ...]:
    """The data, and what this PC has of the model, for the other PCs to copy."""
    order, found = wanted.ready.order, wanted.run.found
    to = tuple(mate.node for mate in wanted.ready.mates)
    until_s = time.time() + _OFFERED_FOR_S
    rows = paths.home / "trainings" / order.job
    rows.mkdir(parents=True, mode=0o700)
    shutil.copyfile(wanted.data, rows / DATA_FILE)
    data = Offer(name=order.job, folder=rows, to=to, job=None, until_s=until_s, is_made_for_it=True)
    folder = weights_folder(found, os.environ) or found.folder
    if folder is None:
        return (data,)
    return (data, Offer(name=order.model, folder=folder, to=to, job=None, until_s=until_s))


def _document(ended: Finished) -> dict[str, Any]:
    document = json.loads(ended.output.strip().splitlines()[-1])
    assert isinstance(document, dict)
    return document
