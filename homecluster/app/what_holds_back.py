"""Which question a `diagnose` command asks - a job, a file, a plan or this home - and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app import jobs
from homecluster.app.diagnose import (
    diagnose_home,
    diagnose_job,
    diagnose_plan,
    saved_links,
    signs_of_file,
)
from homecluster.app.link_signs import with_reach
from homecluster.app.link_watch import history, with_history
from homecluster.app.plan import check_pins, only
from homecluster.app.ports import Members
from homecluster.app.this_pc import this_pc
from homecluster.app.watch import watch
from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.model import ModelSpec
from homecluster.domain.signs import Signs
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.planner.problem import Pins
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from homecluster.store.signs_document import signs_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was typed."""

    target: str | None
    """A job, or a file of signs or measurements."""
    model: str | None
    cluster: Path | None
    seconds: float
    save: Path | None
    workload: Serve
    pins: Pins
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the answer is looked for."""

    paths: Paths
    find_model: Callable[[str], ModelSpec]
    find_cluster: Callable[[Path | None], Cluster]
    members: Members | None
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    diagnosis: Diagnosis
    signs: Signs


def what_holds_back(question: Question, sources: Sources) -> Found:
    """The causes, and what they were seen by.

    Raises:
        InputError: no such job or file, a damaged document, pins that contradict the model.
    """
    file = Path(question.target) if question.target and _is_file(question.target) else None
    found = (
        _judge_plan(question, question.model, file, sources)
        if question.model is not None
        else _judge_file(file, sources.find_cluster(question.cluster))
        if file is not None
        else _judge_live(question, sources)
    )
    if question.save is not None:
        write_json(question.save, signs_document(found.signs))
    return found


def _is_file(target: str) -> bool:
    return "/" in target or target.endswith((".json", ".toml")) or Path(target).is_file()


def _judge_plan(question: Question, model: str, file: Path | None, sources: Sources) -> Found:
    if question.target is not None and file is None:
        raise InputError(
            f"--model judges a plan, {question.target!r} is a job",
            hint="leave one of the two out.",
        )
    spec = sources.find_model(model)
    check_pins(spec, question.pins)
    cluster = only(sources.find_cluster(question.cluster), question.nodes)
    signs = signs_of_file(file, cluster) if file is not None else Signs()
    found = diagnose_plan(cluster, spec, question.workload, question.pins, signs)
    return Found(diagnosis=found, signs=signs)


def _judge_file(file: Path, cluster: Cluster) -> Found:
    signs = signs_of_file(file, cluster)
    return Found(diagnosis=diagnose_home(cluster, signs), signs=signs)


def _judge_live(question: Question, sources: Sources) -> Found:
    paths = sources.paths
    view = _job(paths, question.target)
    cluster = only(_live_cluster(question, sources), question.nodes)
    what = view.folder.job_id if view is not None else "this PC"
    sources.tell(f"watching {what} for {question.seconds:.3g} s")
    signs = watch(paths, view, sources.members, question.seconds)
    measured = saved_links(paths, cluster, datetime.now(UTC))
    links = with_history(with_reach(measured, signs.links), history(paths))
    signs = replace(signs, links=links)
    if view is None:
        return Found(diagnosis=diagnose_home(cluster, signs), signs=signs)
    spec = sources.find_model(view.launch.model_folder)
    return Found(diagnosis=diagnose_job(view, cluster, spec, signs), signs=signs)


def _live_cluster(question: Question, sources: Sources) -> Cluster:
    """The cluster that was asked for; this PC alone while its coordinator or agent is gone."""
    try:
        return sources.find_cluster(question.cluster)
    except (MissingError, PeerError) as error:
        sources.tell(f"the cluster cannot be asked ({error.message}): this PC is judged alone")
        return this_pc(sources.paths)


def _job(paths: Paths, name: str | None) -> jobs.JobView | None:
    """The named job, or the newest that lives; None when none was named and none runs."""
    views = jobs.serving(jobs.look_at_all(paths.jobs))
    if name is not None:
        return jobs.choose(views, name)
    return next(reversed(jobs.living(views)), None)
