"""A search's answer made exact where there are few devices, and how far from the best it may be where there are many."""

from __future__ import annotations

import math
from dataclasses import replace

from homecluster.domain.hardware import Device
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import rules
from homecluster.planner.ceiling import most_requests_per_s
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.packing import MOST_DEVICES
from homecluster.planner.exact.prove import NOTHING_S, prove
from homecluster.planner.found import Result, if_all_run
from homecluster.planner.problem import Problem


def refine(problem: Problem, cluster: Cluster, result: Result) -> tuple[Result, float | None]:
    """The result with a better layout added, if there is one, and the gap to the best there can be.

    Only for an unpinned problem. Gap 0.05: no layout delivers more than 5 % more than the best one here.
    """
    spec, workload = problem.spec, problem.workload
    if rules.refuse_model(spec, workload.context_tokens) is not None:
        return result, None
    estimator = Estimator(cluster, spec, workload)
    devices = _ordered(problem)
    if len(devices) > MOST_DEVICES:
        best = max((one.estimate.requests_per_s.mid for one in result.found), default=0.0)
        gap = most_requests_per_s(estimator, devices) / best - 1 if best else math.inf
        return result, gap if math.isfinite(gap) else None
    proof = prove(estimator, devices, _time_s(result, workload))
    if proof is None:
        return result, None
    better = if_all_run(estimator, proof.copies)
    if better is None:
        return result, proof.gap
    return replace(result, found=(*result.found, better)), proof.gap


def _ordered(problem: Problem) -> list[Device]:
    """PCs that schedule best first; in a PC, the strongest device first: groups are taken in this order."""
    return [device for node in problem.nodes for device in problem.strongest_first(node)]


def _time_s(result: Result, workload: Serve) -> float:
    """Seconds of a request in the fastest layout found."""
    times = [
        workload.concurrent_requests / one.estimate.requests_per_s.mid
        if workload.request_rate_per_s is None
        else one.estimate.first_token_s.mid
        + (workload.output_tokens - 1) * one.estimate.token_interval_s.mid
        for one in result.found
        if workload.request_rate_per_s is None
        or one.estimate.requests_per_s.mid >= workload.request_rate_per_s * (1 - 1e-9)
    ]
    return min(times, default=NOTHING_S)
