"""Answers the page's what-if panel with the real planner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, Verdict
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.ranking import rank
from homecluster.planner.repricing import known_layouts, reprice, with_requests
from homecluster.planner.verdict import judge
from homecluster.planner.what_if import LINK_PRESETS, LinkPreset, with_links
from homecluster.store.plan_document import plan_table, verdict_table

_MOST_REQUESTS = 4096
_MOST_LEARNED_PCS = 16
"""Beyond a home's size the searches would keep the server from drawing its page."""


class WhatIf:
    """Answers about one home; a model that was asked about before is answered at once.

    At once means: of the layouts that win somewhere, the best one. Whoever asks without `quick` gets
    every layout searched.
    """

    def __init__(self, cluster: Cluster, workload: Serve) -> None:
        self.cluster = cluster
        self._workload = workload
        self._known: dict[str, tuple[Layout, ...]] = {}

    def knows(self, spec: ModelSpec) -> bool:
        return spec.name in self._known

    def learn(self, spec: ModelSpec) -> None:
        """Search for the layouts that win somewhere; from then on quick questions are quick."""
        if not self.knows(spec) and len(self.cluster.nodes) <= _MOST_LEARNED_PCS:
            self._known[spec.name] = known_layouts(self.cluster, spec, self._workload)

    def answer(self, spec: ModelSpec, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The best plan, and the best that joins PCs to one copy, with the asked link or its figures everywhere.

        Raises:
            InputError: no link that `plan --what-if` knows; a value that is no positive finite number.
        """
        began_s = time.perf_counter()
        requests = _whole(asked, "concurrency", self._workload.concurrent_requests)
        load = with_requests(self._workload, requests)
        preset = _preset(asked)
        rtt_s, rate = _positive(asked, "rtt_s"), _positive(asked, "bandwidth_bytes_per_s")
        changed = self.cluster
        if preset or rtt_s or rate:
            changed = with_links(changed, rtt_s=rtt_s, bandwidth=rate, preset=preset)
        known = self._known.get(spec.name) if asked.get("quick") else None
        plans, verdict = _quick(changed, spec, load, known) if known else _full(changed, spec, load)
        best = next(iter(plans), None)
        joined = next((one for one in plans if _is_joined(one)), None)
        return {
            "schema": "homecluster.what_if/1",
            "model": spec.name,
            "link": _figures(changed.links[0]) if preset and changed.links else None,
            "verdict": verdict_table(verdict),
            "best_plan": plan_table(best) if best else None,
            "joined_plan": plan_table(joined) if joined else None,
            "is_searched": not known,
            "took_s": time.perf_counter() - began_s,
        }


def _full(cluster: Cluster, spec: ModelSpec, load: Serve) -> tuple[tuple[Plan, ...], Verdict]:
    plans = plan(cluster, spec, load, Pins())
    return plans.plans, plans.verdict


def _quick(
    cluster: Cluster, spec: ModelSpec, load: Serve, known: tuple[Layout, ...]
) -> tuple[tuple[Plan, ...], Verdict]:
    priced = reprice(cluster, spec, load, known)
    return rank(priced.found, load), judge(cluster, spec, load, priced)


def _is_joined(one: Plan) -> bool:
    """Whether it is one copy over several PCs: the only kind of plan that a link can make faster."""
    return len(one.nodes) > 1 and len(one.layout.replicas) == 1


def _preset(asked: Mapping[str, Any]) -> LinkPreset | None:
    name = asked.get("link")
    if name is None:
        return None
    if not isinstance(name, str) or name not in LINK_PRESETS:
        raise InputError(f"link is none of {', '.join(LINK_PRESETS)}")
    return LINK_PRESETS[name]


def _figures(link: Link) -> dict[str, float]:
    """Where the page's sliders stand for it."""
    return {"rtt_s": link.rtt_s, "bandwidth_bytes_per_s": link.bandwidth_bytes_per_s}


def _positive(asked: Mapping[str, Any], key: str) -> float | None:
    value = asked.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{key} is not a number")
    if not 1e-9 < value < 1e15:  # noqa: PLR2004 - beyond anything a link can be
        raise InputError(f"{key} is out of range")
    return float(value)


def _whole(asked: Mapping[str, Any], key: str, default: int) -> int:
    value = asked.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_REQUESTS:
        raise InputError(f"{key} must be a whole number from 1 to {_MOST_REQUESTS}")
    return value
