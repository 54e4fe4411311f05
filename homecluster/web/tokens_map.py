"""Tokens per second over round trip and bandwidth, with this home's slowest link marked."""

from __future__ import annotations

import math
from typing import Any

from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.candidates import Pins
from homecluster.planner.plan import plan
from homecluster.planner.what_if import with_links

_RTTS_S = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
_BANDWIDTHS_BYTES_PER_S = tuple(rate * 1e6 / 8 for rate in (5, 20, 100, 300, 1000, 2500, 10000))


def tokens_map(cluster: Cluster, spec: ModelSpec, workload: Serve) -> dict[str, Any] | None:
    """Of the fastest copy that spans PCs, as if all links were so; None where there is no link or no such copy."""
    if not cluster.links:
        return None
    slowest = max(cluster.links, key=lambda link: link.rtt_s)
    near_rtt_s = _nearest(_RTTS_S, slowest.rtt_s)
    near_rate = _nearest(_BANDWIDTHS_BYTES_PER_S, slowest.bandwidth_bytes_per_s)
    table = [
        [_rate(cluster, spec, workload, rtt_s, rate) for rate in _BANDWIDTHS_BYTES_PER_S]
        for rtt_s in _RTTS_S
    ]
    if not any(any(row) for row in table):
        return None
    rows = [
        {
            "rtt_s": rtt_s,
            "here": _BANDWIDTHS_BYTES_PER_S.index(near_rate) if rtt_s == near_rtt_s else None,
            "tokens_per_s": rates,
        }
        for rtt_s, rates in zip(_RTTS_S, table, strict=True)
    ]
    return {"bandwidths_bytes_per_s": list(_BANDWIDTHS_BYTES_PER_S), "rows": rows}


def _rate(
    cluster: Cluster, spec: ModelSpec, workload: Serve, rtt_s: float, bandwidth: float
) -> float:
    supposed = with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)
    pinned = plan(supposed, spec, workload, Pins(replicas=1))
    spanning = [one for one in pinned.plans if len(one.nodes) > 1]
    return max((one.estimate.output_tokens_per_s.mid for one in spanning), default=0.0)


def _nearest(steps: tuple[float, ...], value: float) -> float:
    return min(steps, key=lambda step: abs(math.log(step / value)))
