"""The dashboard's facts as they are now: documents read again when they change, jobs and members each time."""

from __future__ import annotations

import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from homecluster.app.job_log import last_lines
from homecluster.app.jobs import JobView, document, living, look_at_all
from homecluster.app.live_cluster import merged_clusters
from homecluster.domain.job import is_over
from homecluster.domain.member import Health, Member
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.errors import HomeclusterError
from homecluster.planner.candidates import Pins
from homecluster.store.paths import Paths
from homecluster.web.facts import now, saved_facts
from homecluster.web.job_rates import Counters, rates, read_counters
from homecluster.web.page import PageFacts, page_document
from homecluster.web.what_if import answer

_SHOWN_JOBS = 5
log = logging.getLogger(__name__)
_LOG_LINES = 200
_METRICS_LIMIT_S = 1.0
_METRICS_BYTES = 1_000_000
_CLUSTER_EVERY_S = 5.0


class Live:
    """One page after another; planning again only when the home or the question changed."""

    def __init__(
        self,
        *,
        paths: Paths,
        cluster: Callable[[], Cluster],
        members: Callable[[], tuple[Member, ...]],
        find_spec: Callable[[str], ModelSpec],
        models: tuple[str, ...],
        model: str,
        workload: Serve,
    ) -> None:
        self._paths = paths
        self._read_cluster = cluster
        self._members = members
        self._find_spec = find_spec
        self._models = models
        self._spec = find_spec(model)
        self._workload = workload
        self._saved = self._plan(cluster())
        self._counters: dict[str, Counters] = {}
        # Asking members takes as long as the slowest of them; the page must not wait for one that is gone.
        threading.Thread(target=self._keep_looking, daemon=True).start()

    def page(self) -> dict[str, Any]:
        """The page as of now."""
        jobs = look_at_all(self._paths.jobs)[-_SHOWN_JOBS:]
        shown = living(jobs) or jobs[-1:]
        facts = PageFacts(
            cluster=self._saved.cluster,
            plans=self._saved.plans,
            diagnosis=self._saved.diagnosis,
            tokens_map=self._saved.tokens_map,
            members=self._members_now(),
            jobs=[self._job(view) for view in jobs],
            log=last_lines(shown[-1].folder, _LOG_LINES) if shown else (),
            models=self._models,
            made_at=now(),
            live=True,
        )
        return page_document(facts)

    def what_if(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The planner's answer to the panel.

        Raises:
            InputError: an unknown model or a number out of range.
        """
        spec = self._find_spec(str(asked.get("model", self._spec.name))[:200])
        return answer(self._saved.cluster, spec, self._workload, asked)

    def _plan(self, cluster: Cluster) -> PageFacts:
        return saved_facts(cluster, self._spec, self._workload, Pins())

    def _keep_looking(self) -> None:
        while True:
            time.sleep(_CLUSTER_EVERY_S)
            try:
                cluster = self._with_the_silent(self._read_cluster())
            except HomeclusterError:
                continue  # half of a document that is just being replaced, or nobody answers: what was known stays
            except Exception:  # the boundary of this thread: whatever a PC told, go on looking
                log.exception("the home could not be looked at")
                continue
            if _lasting(cluster) != _lasting(self._saved.cluster):
                self._saved = self._plan(cluster)

    def _with_the_silent(self, now_there: Cluster) -> Cluster:
        """What is there now, and members that were there and do not answer: the page shows them as dead."""
        belonging = {
            member.node for member in self._members_now() if member.health is not Health.LEFT
        }
        whole = merged_clusters(self._saved.cluster, now_there)
        present = {node.id for node in now_there.nodes} | belonging
        return Cluster(
            nodes=tuple(node for node in whole.nodes if node.id in present),
            links=tuple(link for link in whole.links if {link.src, link.dst} <= present),
        )

    def _members_now(self) -> tuple[Member, ...]:
        try:
            return self._members()
        except HomeclusterError:
            return ()

    def _job(self, view: JobView) -> dict[str, Any]:
        table = document(view)
        plan = table.get("plan") or {}
        return {
            "id": table["job"],
            "model": table["model"],
            "state": table["state"],
            "phase": table.get("phase"),
            "reason": table.get("reason"),
            "base_url": None if is_over(view.state) else table["base_url"],
            "predicted": (plan.get("estimate") or {}).get("output_tokens_per_s"),
            "live": self._rates(view) if table["state"] == "running" else None,
        }

    def _rates(self, view: JobView) -> dict[str, Any] | None:
        base = urlsplit(view.launch.spec.base_url)
        try:
            with urllib.request.urlopen(  # noqa: S310 - an http address that our own launch wrote
                f"{base.scheme}://{base.netloc}/metrics", timeout=_METRICS_LIMIT_S
            ) as reply:
                text = reply.read(_METRICS_BYTES).decode(errors="replace")
        except (urllib.error.URLError, OSError):
            return None
        counters = read_counters(text, time.monotonic())
        before = self._counters.get(view.folder.job_id)
        self._counters[view.folder.job_id] = counters
        return rates(before, counters, at=now())


def _lasting(cluster: Cluster) -> object:
    """What a plan depends on; free memory and the time of looking change all the time."""
    return (
        tuple((n.id, tuple((d.id, d.memory_total_bytes, d.memory_bandwidth_bytes_per_s) for d in n.devices)) for n in cluster.nodes),
        cluster.links,
    )  # fmt: skip
