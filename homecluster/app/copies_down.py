"""Ending the copies of a job whose own process was killed before it could."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from homecluster.app import job_end, jobs
from homecluster.app.copies_host import OtherPc, ThisPc
from homecluster.app.copies_line import LEASE_S
from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health
from homecluster.domain.order_reader import text
from homecluster.engines.vllm_gang_document import JOB
from homecluster.errors import HomeclusterError, InputError
from homecluster.launch.copies_step import MOST_STARTS
from homecluster.store.copies_store import Copies, has_copies, read_copies
from homecluster.store.job_store import JobFolder, state_table
from homecluster.store.paths import Paths
from homecluster.store.training_store import read_training

END_WITHIN_S: Final = 40.0
_ASK_AGAIN_S: Final = 1.0
_ANSWER_WITHIN_S: Final = 10.0


def end_copies(folder: JobFolder, paths: Paths, members: Members | None) -> tuple[str, ...]:
    """Return once every copy is over; what cannot be told of some, in words.

    A PC that does not answer ends its copy by the lease.
    """
    asked = tuple(_shares(read_copies(folder), paths, members))
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        return tuple(word for word in pool.map(lambda one: _end(*one), asked) if word)


def end_here(paths: Paths, body: Mapping[str, Any]) -> dict[str, Any]:
    """End a job of copies, or a training, that this PC leads, asked by an operator on another PC.

    Raises:
        InputError: this PC leads no such job.
    """
    folder = JobFolder(path=paths.jobs / text(body, "job", JOB))
    if not has_copies(folder) and read_training(folder) is None:
        raise InputError(f"this PC leads no {folder.job_id}")
    return state_table(job_end.stop(jobs.look(folder)).state)


def end_elsewhere(members: Members, job: str) -> NodeId | None:
    """The member that led the job's copies and has ended them; None when none does."""
    for one in members.members():
        if one.health is not Health.ALIVE:
            continue
        try:
            members.ask(one.node, "copies.stop", {"job": job}, deadline_s=END_WITHIN_S)
        except HomeclusterError as error:
            if "leads no" in error.message:
                continue
            raise
        return one.node
    return None


def _shares(
    copies: Copies, paths: Paths, members: Members | None
) -> Iterator[tuple[ThisPc | OtherPc, str, str]]:
    """(PC, its name, share) of every start that there may have been."""
    for copy in copies.copies:
        if not copy.is_here and members is None:
            continue
        host = ThisPc(paths) if copy.is_here else OtherPc(_there(members), copy.node)
        for start in range(MOST_STARTS):
            number = copy.order["number"] + start * len(copies.copies)
            yield host, copy.name, f"{copy.order['job']}.{number}"


def _there(members: Members | None) -> Members:
    assert members is not None
    return members


def _end(host: ThisPc | OtherPc, name: str, share: str) -> str | None:
    deadline_s = time.monotonic() + END_WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            told = host.ask("copy.stop", {"share": share}, deadline_s=_ANSWER_WITHIN_S)
        except HomeclusterError as error:
            is_unknown = "has no copy" in error.message
            return None if is_unknown else f"{name}: {error.message}; it ends within {LEASE_S} s"
        if told["state"] in ("stopped", "failed"):
            return None
        time.sleep(_ASK_AGAIN_S)
    return f"{name}: its copy does not end; homecluster down there"
