"""The dashboard's facts as they are now: documents read again when they change, jobs and members each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from homecluster.app.job_log import glance
from homecluster.app.job_signs import engine_counters
from homecluster.app.jobs import JobView, living, look_at_all
from homecluster.app.link_watch import history
from homecluster.app.live_cluster import merged_clusters
from homecluster.app.ports import Members
from homecluster.app.watch import watch
from homecluster.domain.job import Running
from homecluster.domain.member import Health, Member
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.errors import HomeclusterError, InputError
from homecluster.planner.problem import Pins
from homecluster.store.paths import Paths
from homecluster.web.facts import now, saved_facts
from homecluster.web.host_load import host_load
from homecluster.web.job_samples import JobSamples, sampled
from homecluster.web.job_view import job_view
from homecluster.web.link_history import link_histories
from homecluster.web.looking import Looking
from homecluster.web.page import PageFacts, page_document
from homecluster.web.what_if import WhatIf

_SHOWN_JOBS = 5
_LOG_LINES = 200
_CLUSTER_EVERY_S = 5.0
_HISTORY_EVERY_S = 20.0
_LOAD_EVERY_S = 4.0
_LOAD_WINDOW_S = 1.0
_JOBS_EVERY_S = 1.0
_MEMBERS_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    """The jobs at one look, and what was seen of those that run."""

    views: tuple[JobView, ...] = ()
    samples: Mapping[str, JobSamples] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    """Who belongs to it at one look; once there was somebody, an agent that is silent is told of."""

    members: tuple[Member, ...] = ()
    trouble: str | None = None


class Live:
    """One page after another; planning again only when the home or the question changed."""

    def __init__(
        self,
        *,
        paths: Paths,
        cluster: Callable[[], Cluster],
        members: Members,
        find_spec: Callable[[str], ModelSpec],
        models: tuple[str, ...],
        model: str,
        workload: Serve,
    ) -> None:
        self._paths = paths
        self._read_cluster = cluster
        self._members = members
        self._find_spec = find_spec
        self._spec = find_spec(model)
        self._models = models if self._spec.name in models else (self._spec.name, *models)
        self._workload = workload
        self._learning = threading.Lock()
        self._there = Looking(
            self._asked_who, self._asked_who(_Cluster()), every_s=_MEMBERS_EVERY_S
        )
        none_yet: list[dict[str, Any]] = []
        self._saved = Looking(self._plans, self._plan(cluster()), every_s=_CLUSTER_EVERY_S)
        questions = WhatIf(self._saved.found.cluster, workload)
        self._questions = Looking(self._asked_about, questions, every_s=_CLUSTER_EVERY_S)
        self._history = Looking(self._links, none_yet, every_s=_HISTORY_EVERY_S)
        self._jobs = Looking(self._sampled, _Jobs(), every_s=_JOBS_EVERY_S)
        self._load = Looking(self._hosts, none_yet, every_s=_LOAD_EVERY_S)

    def page(self) -> dict[str, Any]:
        """The page as of now."""
        seen, saved, there = self._jobs.found, self._saved.found, self._there.found
        jobs = seen.views[-_SHOWN_JOBS:]
        shown = living(jobs) or jobs[-1:]
        facts = PageFacts(
            cluster=saved.cluster,
            plans=saved.plans,
            diagnosis=saved.diagnosis,
            by_link=saved.by_link,
            members=there.members,
            jobs=[job_view(view, seen.samples.get(view.folder.job_id)) for view in jobs],
            hosts=self._load.found,
            history=self._history.found,
            log=glance(shown[-1].folder, _LOG_LINES) if shown else (),
            models=self._models,
            made_at=now(),
            live=True,
        )
        return page_document(facts) | ({"trouble": there.trouble} if there.trouble else {})

    def what_if(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The planner's answer to the panel.

        Raises:
            InputError: an unknown model or a number out of range.
        """
        spec = self._offered(asked.get("model", self._spec.name))
        questions = self._questions.found
        told = questions.answer(spec, asked)
        if not questions.knows(spec):
            threading.Thread(target=self._learn, args=(questions, spec), daemon=True).start()
        return told

    def _offered(self, name: object) -> ModelSpec:
        """Only what the page offers: a name may also be a path of this PC, or make it ask the hub."""
        if name == self._spec.name:
            return self._spec
        if not isinstance(name, str) or name not in self._models:
            raise InputError("the page offers no such model")
        return self._find_spec(name)

    def _learn(self, questions: WhatIf, spec: ModelSpec) -> None:
        """One search at a time, however fast somebody asks."""
        if self._learning.acquire(blocking=False):
            try:
                questions.learn(spec)
            finally:
                self._learning.release()

    def _plan(self, cluster: Cluster) -> PageFacts:
        return saved_facts(cluster, self._spec, self._workload, Pins())

    def _plans(self, before: PageFacts) -> PageFacts:
        cluster = self._with_the_silent(before.cluster, self._read_cluster())
        return before if _lasting(cluster) == _lasting(before.cluster) else self._plan(cluster)

    def _asked_about(self, before: WhatIf) -> WhatIf:
        home = self._saved.found.cluster
        questions = before if before.cluster is home else WhatIf(home, self._workload)
        questions.learn(self._spec)
        return questions

    def _with_the_silent(self, before: Cluster, now_there: Cluster) -> Cluster:
        """What is there now, and members that were there and do not answer: the page shows them as dead."""
        belonging = {
            member.node for member in self._there.found.members if member.health is not Health.LEFT
        }
        whole = merged_clusters(before, now_there)
        present = {node.id for node in now_there.nodes} | belonging
        return Cluster(
            nodes=tuple(node for node in whole.nodes if node.id in present),
            links=tuple(link for link in whole.links if {link.src, link.dst} <= present),
        )

    def _asked_who(self, before: _Cluster) -> _Cluster:
        try:
            return _Cluster(members=self._members.members())
        except HomeclusterError as error:
            was_there = before.members or before.trouble
            return _Cluster(trouble=error.message if was_there else None)

    def _links(self, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        del before
        return link_histories(history(self._paths))

    def _hosts(self, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Nobody is asked while nothing runs."""
        del before
        at_work = living(self._jobs.found.views)
        if not at_work:
            return []
        signs = watch(self._paths, at_work[-1], self._members, _LOAD_WINDOW_S)
        return [host_load(one) for one in signs.nodes]

    def _sampled(self, before: _Jobs) -> _Jobs:
        views = look_at_all(self._paths.jobs)
        found: dict[str, JobSamples] = {}
        for view in views:
            counters = engine_counters(view) if isinstance(view.state, Running) else None
            if counters is not None:
                job = view.folder.job_id
                found[job] = sampled(
                    before.samples.get(job), counters, at_s=time.monotonic(), unix_s=time.time()
                )
        return _Jobs(views=views, samples=found)


def _lasting(cluster: Cluster) -> object:
    """What a plan depends on; free memory and the time of looking change all the time."""
    return (
        tuple((n.id, tuple((d.id, d.memory_total_bytes, d.memory_bandwidth_bytes_per_s) for d in n.devices)) for n in cluster.nodes),
        cluster.links,
    )  # fmt: skip
