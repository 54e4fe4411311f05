"""The use case behind `diagnose`: watch this PC, a job and the other members for a few seconds."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.app.job_signs import engine_counters, job_signs
from homecluster.app.jobs import JobView, jobs_over
from homecluster.app.own_interfaces import own_interfaces
from homecluster.app.ports import Members
from homecluster.app.reach_watch import multicast, reached
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.signs import JobSigns, NodeSigns, Signs
from homecluster.errors import HomeclusterError
from homecluster.inventory.collect import own_node_id
from homecluster.inventory.node_watch import between, look, node_signs
from homecluster.inventory.system import read_system
from homecluster.inventory.windows_memory import read_windows_ram_bytes
from homecluster.inventory.wsl import read_mode
from homecluster.launch.left_engines import left_engines
from homecluster.launch.strays import of_any_job
from homecluster.planner.causes.memory import is_short_of_memory
from homecluster.store.paths import Paths
from homecluster.store.typed_table import ShapeError, read_table, write_table

VERB: Final = "signs"
MOST_S: Final = 15.0
_ANSWER_S = 5.0
"""Beyond the time of watching: a member that swaps answers late."""
_MOST_ASKED_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one member told, or why it did not."""

    node: NodeId
    signs: NodeSigns | None = None
    why: str = ""


def watch(paths: Paths, view: JobView | None, members: Members | None, seconds: float) -> Signs:
    """All that can be seen from here in `seconds`; members that do not answer are named in `unseen`.

    Nothing is measured that would disturb a job: counters are read twice, no link is filled;
    each pair of PCs opens one connection.
    """
    everybody = _everybody(members)
    others = [one for one in everybody if not one.is_here and one.health is Health.ALIVE]
    with ThreadPoolExecutor(max_workers=_MOST_ASKED_AT_ONCE) as pool:
        asked = [pool.submit(_ask, members, one.node, seconds) for one in others if members]
        doors = pool.submit(reached, members, everybody) if members and others else None
        voices = pool.submit(multicast, members, everybody) if members and others else None
        own, signs = watch_here(paths, view, seconds, _here(everybody))
        answers = [one.result() for one in asked]
        links = doors.result() if doors else ()
        around = voices.result() if voices else None
    silent = [one for one in everybody if one.health is not Health.ALIVE and not one.is_here]
    return replace(
        signs,
        job=_with_names(signs.job, everybody),
        nodes=(own, *(one.signs for one in answers if one.signs is not None)),
        links=links,
        around=around,
        members=everybody,
        unseen=(
            *((one.node, one.why) for one in answers if one.signs is None),
            *((one.node, f"it is {one.health.value}") for one in silent),
        ),
    )


def _with_names(job: JobSigns | None, everybody: tuple[Member, ...]) -> JobSigns | None:
    """The job's lost workers as members, where their addresses are known."""
    if job is None:
        return None
    names = {one.address: one.node for one in everybody}
    lost = tuple(replace(one, node=names.get(one.node, one.node)) for one in job.lost_workers)
    return replace(job, lost_workers=lost)


def watch_here(
    paths: Paths, view: JobView | None, seconds: float, here: Member | None = None
) -> tuple[NodeSigns, Signs]:
    """(this PC, the job) over `seconds`."""
    ours = of_any_job()  # a share of another PC's job is none of the other programs
    first, before = look(ours), engine_counters(view) if view is not None else None
    time.sleep(seconds)
    after, second = engine_counters(view) if view is not None else None, look(ours)
    job = (
        job_signs(
            view,
            before,
            after,
            second.host.at_s - first.host.at_s,
            scheduler_busy_ratio=between(first, second).scheduler_busy_ratio,
        )
        if view is not None
        else None
    )
    own = node_signs(
        here.node if here else own_node_id(socket.gethostname()),
        first,
        second,
        interfaces=own_interfaces(here.address if here else None),
        stale=left_engines(jobs_over(paths.jobs)),
        wsl_mode=read_mode() if _is_wsl() else None,
    )
    if _is_wsl() and is_short_of_memory(own):  # Windows answers slowly, and only then it matters
        own = replace(own, windows_ram_bytes=read_windows_ram_bytes())
    return own, Signs(job=job)


def answer(paths: Paths, body: Mapping[str, Any]) -> dict[str, Any]:
    """What this PC tells a member that asks for its signs."""
    seconds = body.get("seconds", 0.0)
    usable = isinstance(seconds, int | float) and 0 <= seconds <= MOST_S
    own, _ = watch_here(paths, None, float(seconds) if usable else 0.0)
    return {"signs": write_table(own), "now_s": time.time()}


def _everybody(members: Members | None) -> tuple[Member, ...]:
    if members is None:
        return ()
    try:
        return members.members()
    except HomeclusterError:
        return ()  # in no cluster, or its agent sleeps: this PC can still be judged


def _here(everybody: tuple[Member, ...]) -> Member | None:
    return next((one for one in everybody if one.is_here), None)


def _ask(members: Members, node: NodeId, seconds: float) -> Answer:
    asked_s = time.time()
    try:
        told = members.ask(node, VERB, {"seconds": seconds}, deadline_s=seconds + _ANSWER_S)
        signs = read_table(NodeSigns, told.get("signs"), "signs")
        now_s = told.get("now_s")
        offset_s = (
            clock_offset_s(asked_s, float(now_s), time.time())
            if isinstance(now_s, int | float)
            else None
        )
    except HomeclusterError as error:
        return Answer(node=node, why=error.message)
    except ShapeError as error:
        return Answer(node=node, why=f"its answer makes no sense: {error}")
    return Answer(node=node, signs=replace(signs, node=node, clock_offset_s=offset_s))


def clock_offset_s(asked_s: float, told_s: float, answered_s: float) -> float:
    """How far a clock is surely off that said `told_s` at some time between question and answer; pure.

    0 where it may be right: an answer that was late on its way is no wrong clock.
    """
    return min(0.0, told_s - asked_s) + max(0.0, told_s - answered_s)


def _is_wsl() -> bool:
    return read_system().os == "wsl2"
