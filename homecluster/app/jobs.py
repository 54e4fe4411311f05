"""Which jobs this PC has, and what state they are truly in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, JobState, Starting, is_over
from homecluster.errors import InputError, MissingError
from homecluster.launch import strays
from homecluster.launch.identity import ProcessIdentity, is_alive
from homecluster.launch.meter import own_memory_bytes
from homecluster.launch.newborn import newborn
from homecluster.store.copies_store import has_copies, read_now
from homecluster.store.gang_store import is_gang
from homecluster.store.job_document import job_table
from homecluster.store.job_store import (
    JobEntry,
    JobFolder,
    Launch,
    job_folders,
    read_entry,
    read_launch,
)
from homecluster.store.training_store import read_training

_SPAWNED_WITHIN_S = 5.0
"""A job's folder is written, and then its supervisor started at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as it is now, not as its supervisor last said."""

    folder: JobFolder
    launch: Launch
    state: JobState
    entry: JobEntry | None
    memory_bytes: int = 0
    """Of all its processes; pages that several share are counted once."""
    processes: int = 0


def look_at_all(jobs: Path) -> tuple[JobView, ...]:
    """Every job with a readable folder, the newest last."""
    views = []
    for folder in job_folders(jobs):
        try:
            views.append(look(folder))
        except InputError:
            continue  # a damaged folder must not hide the others; `damaged` names it
    return tuple(views)


def damaged(jobs: Path) -> tuple[tuple[str, str], ...]:
    """(job, what is wrong with its folder) of every job that cannot be told any more."""
    found = []
    for folder in job_folders(jobs):
        try:
            look(folder)
        except InputError as error:
            found.append((folder.job_id, error.message))
    return tuple(found)


def look(folder: JobFolder) -> JobView:
    """The job's true state: a supervisor that was killed says nothing more.

    Raises:
        InputError: the folder is damaged.
    """
    launch = read_launch(folder)
    entry = read_entry(folder)
    if entry is not None and is_over(entry.state):
        return JobView(folder=folder, launch=launch, state=entry.state, entry=entry)
    if entry is not None and not is_alive(owner_of(entry)):
        entry = read_entry(folder) or entry  # its last word may have come between the two looks
        if is_over(entry.state):
            return JobView(folder=folder, launch=launch, state=entry.state, entry=entry)
    alive = strays.tagged(folder.job_id)
    return JobView(
        folder=folder,
        launch=launch,
        state=_true_state(folder, launch, entry, len(alive)),
        entry=entry,
        memory_bytes=sum(own_memory_bytes(process) for process in alive),
        processes=len(alive),
    )


def glance(folder: JobFolder) -> JobView:
    """As `look`, but a job whose leader lives has no count of processes and memory.

    Counting goes through every process of the PC and the pages of the engine: 50 ms of the kernel's time,
    too much for a question that is asked every second.

    Raises:
        InputError: the folder is damaged.
    """
    entry = read_entry(folder)
    if entry is None or is_over(entry.state) or not is_alive(owner_of(entry)):
        return look(folder)
    return JobView(folder=folder, launch=read_launch(folder), state=entry.state, entry=entry)


def leader_lives(folder: JobFolder) -> bool:
    """Whether the process that leads the job is there; cheaper than `look`, which counts what it started."""
    try:
        entry = read_entry(folder)
    except InputError:
        return False
    return entry is not None and not is_over(entry.state) and is_alive(owner_of(entry))


def _true_state(folder: JobFolder, launch: Launch, entry: JobEntry | None, left: int) -> JobState:
    node = launch.spec.commands[0].node
    if entry is None:
        if may_be_coming(folder, launch):
            return Starting(phase="starting")
        return Failed(node=node, reason="its supervisor never came up")
    if is_alive(owner_of(entry)):
        return entry.state
    return _lost(node, left)


def may_be_coming(folder: JobFolder, launch: Launch) -> bool:
    """A slow PC needs half a minute to load a supervisor's code; its process is there meanwhile."""
    age_s = time.time() - datetime.fromisoformat(launch.created_at).timestamp()
    return age_s < _SPAWNED_WITHIN_S or newborn(folder.path) is not None


def _lost(node: NodeId, processes: int) -> Failed:
    left = f"; {processes} of its processes still end" if processes else ""
    return Failed(node=node, reason=f"its supervisor was killed or this PC restarted{left}")


def processes_of(view: JobView) -> list[psutil.Process]:
    """Every living process of the job."""
    return strays.tagged(view.folder.job_id)


def document(view: JobView) -> dict[str, Any]:
    """The job as `up --json` and `status --json` print it."""
    table = job_table(
        view.folder,
        view.launch,
        view.state,
        processes=view.processes,
        memory_bytes=view.memory_bytes,
    )
    more = {"copies": list(read_now(view.folder)), "training": read_training(view.folder)}
    return table | {name: told for name, told in more.items() if told}


def serving(views: tuple[JobView, ...]) -> tuple[JobView, ...]:
    """Jobs with an address: trainings have none."""
    return tuple(view for view in views if view.launch.spec.port)


def living(views: tuple[JobView, ...]) -> tuple[JobView, ...]:
    """Jobs of which something may still run."""
    return tuple(
        view for view in views if not is_over(view.state) or view.processes or _was_leaderless(view)
    )


def _was_leaderless(view: JobView) -> bool:
    """The process that led other PCs was killed: what they run for it may still be there."""
    leads = has_copies(view.folder) or is_gang(view.folder)
    return leads and view.entry is not None and not is_over(view.entry.state)


def jobs_over(jobs: Path) -> frozenset[str]:
    """Jobs whose state is final: what still runs of them belongs to nobody."""
    return frozenset(view.folder.job_id for view in look_at_all(jobs) if is_over(view.state))


def choose(views: tuple[JobView, ...], name: str | None) -> JobView:
    """The job of that name, or the only living one.

    Raises:
        InputError: none is called so, or several are running.
        MissingError: none is running.
    """
    if name is not None:
        found = [view for view in views if view.folder.job_id == name]
        if not found:
            known = ", ".join(view.folder.job_id for view in views) or "none"
            raise InputError(f"no job is called {name!r}", hint=f"known jobs: {known}")
        return found[0]
    alive = living(views)
    if not alive:
        raise MissingError("no job is running", hint="start one: homecluster up --model gpt2")
    if len(alive) > 1:
        names = ", ".join(view.folder.job_id for view in alive)
        raise InputError("several jobs are running: name one", hint=names)
    return alive[0]


def owner_of(entry: JobEntry) -> ProcessIdentity:
    """The process that wrote it last: the job's supervisor."""
    owner = entry.owner
    return ProcessIdentity(boot_id=owner.boot_id, pid=owner.pid, start_ticks=owner.start_ticks)
