"""Tokens per second over round trip and bandwidth: from which link on would several PCs pay?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from homecluster.domain.layout import Copy
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import candidates
from homecluster.planner.estimate import Estimator
from homecluster.planner.network import Fabric
from homecluster.planner.preparation import Prepared
from homecluster.planner.problem import Pins, Problem
from homecluster.planner.what_if import with_links

ROUND_TRIPS_S: Final = (0.1e-3, 0.3e-3, 1e-3, 3e-3, 10e-3, 40e-3)
BANDWIDTHS_BYTES_PER_S: Final = (2.5e6, 12.5e6, 125e6, 312.5e6, 1.25e9)
"""20 Mbit/s to 10 Gbit/s."""
_MOST_COPIES: Final = 64
"""Copies over several PCs that are carried through the table, the first of the usual candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Output tokens/s of the best single copy over several PCs, by the link between all of them."""

    round_trips_s: tuple[float, ...]
    bandwidths_bytes_per_s: tuple[float, ...]
    tokens_per_s: tuple[tuple[float, ...], ...]
    """One row for each round trip, one column for each bandwidth."""
    alone_tokens_per_s: float | None
    """Of the best copy inside one PC; None where no PC holds the model."""


def sensitivity(cluster: Cluster, spec: ModelSpec, workload: Serve) -> Sensitivity | None:
    """The table for this home; None where no copy over several PCs can run.

    Every known link gets the round trip and the bandwidth in question; jitter and loss shrink with the
    round trip, and measured curves are left out, as `what_if.with_links` has it.
    """
    problem = Problem(cluster, spec, workload, Pins())
    estimator = Estimator(cluster, spec, workload)
    spanning = _ready(estimator, candidates.spanning_copies(problem))
    if not spanning:
        return None
    inside = [
        estimator.rate(ready)
        for node in problem.nodes
        for ready in _ready(estimator, candidates.local_copies(problem, node))
    ]
    return Sensitivity(
        round_trips_s=ROUND_TRIPS_S,
        bandwidths_bytes_per_s=BANDWIDTHS_BYTES_PER_S,
        tokens_per_s=tuple(
            tuple(
                _best(estimator, spanning, with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth))
                for bandwidth in BANDWIDTHS_BYTES_PER_S
            )
            for rtt_s in ROUND_TRIPS_S
        ),
        alone_tokens_per_s=max(inside, default=None),
    )


def _ready(estimator: Estimator, copies: Iterable[Copy]) -> list[Prepared]:
    prepared = (estimator.prepare(copy) for copy in copies)
    return list(islice((one for one in prepared if isinstance(one, Prepared)), _MOST_COPIES))


def _best(estimator: Estimator, copies: list[Prepared], cluster: Cluster) -> float:
    fabric = Fabric(cluster)
    return max(
        estimator.rate(replace(one, copy=replace(one.copy, fabric=fabric))) for one in copies
    )
