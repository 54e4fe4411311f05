"""The best layouts of a home, priced again when every link changes: many answers from a few searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.estimate import Estimator
from homecluster.planner.found import Found, Result, if_all_run
from homecluster.planner.problem import Pins
from homecluster.planner.search import search
from homecluster.planner.what_if import with_links

_LINKS: Final = ((None, None), (0.1e-3, 1.25e9), (20e-3, 2.5e6))
"""(round trip in s, bytes/s): as they are, ten gigabit, a phone's hotspot."""
_REQUESTS: Final = (1, 32)
_OF_EACH_KIND: Final = 3
"""Kept of each search: the best inside one PC, of one copy over PCs, and of several copies."""


def known_layouts(cluster: Cluster, spec: ModelSpec, workload: Serve) -> tuple[Layout, ...]:
    """Layouts that win somewhere between a hotspot and a fast cable, for one request and for many.

    Costs six searches; what it finds is worth pricing whatever the links and the load.
    """
    found: dict[Layout, None] = {}
    for rtt_s, bandwidth in _LINKS:
        changed = with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)
        for requests in _REQUESTS:
            asked = with_requests(workload, requests)
            found |= dict.fromkeys(_best(search(changed, spec, asked, Pins()).found))
    return tuple(found)


def reprice(
    cluster: Cluster, spec: ModelSpec, workload: Serve, layouts: Sequence[Layout]
) -> Result:
    """What those layouts do on this cluster; one that cannot run here is left out."""
    estimator = Estimator(cluster, spec, workload)
    priced = (if_all_run(estimator, layout.replicas) for layout in layouts)
    return Result(found=tuple(one for one in priced if one is not None), rejections=())


def with_requests(workload: Serve, requests: int) -> Serve:
    """The same prompts, so many at once; one alone wants the shortest wait."""
    goal = Goal.LATENCY if requests == 1 else Goal.THROUGHPUT
    return replace(workload, concurrent_requests=requests, request_rate_per_s=None, goal=goal)


def _best(found: Sequence[Found]) -> Iterator[Layout]:
    ordered = sorted(found, key=lambda one: -one.rate)
    inside = (one for one in ordered if not one.spans_pcs)
    across = (one for one in ordered if one.spans_pcs and one.one_copy)
    pairs = (one for one in ordered if one.one_copy and len(one.nodes) == 2)  # noqa: PLR2004 - the verdict's break-even is about pairs
    several = (one for one in ordered if one.spans_pcs and not one.one_copy)
    for kind in (inside, across, pairs, several):
        yield from (one.layout for one in islice(kind, _OF_EACH_KIND))
