"""Seconds that no pipeline over given groups beats, whatever their order and however the layers are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from homecluster.planner import step
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.pieces import Load
from homecluster.planner.load import Response, response
from homecluster.planner.memory import engine_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Groups that are to become the stages of one copy; at least two."""

    groups: tuple[Group, ...]
    ordered: bool
    """Else any order that keeps the groups of one PC together."""


def least_response(clock: Clock, pipeline: Pipeline) -> Response:
    """Least seconds of a request by how many are inside.

    A copy whose cache holds fewer requests than there are works like one of that size, so that the least
    time per request over all smaller numbers holds for them.
    """
    asked = clock.workload
    limits = [engine_limits(g[0], sum(map(len, pipeline.groups))) for g in pipeline.groups]
    most = float(asked.concurrent_requests)
    if asked.request_rate_per_s is not None:
        most = float(max(limit.sequences for limit in limits))
    numbers, power = {most}, 1.0
    while power < most:
        numbers.add(power)
        power *= 2**0.5  # a coarser line would lie above what it bounds
    numbers |= _together(clock, pipeline.groups, most)  # where a copy's own response bends
    found, each_s = [], float("inf")
    for requests in sorted(numbers):
        each_s = min(each_s, _round_s(clock, pipeline, requests) / requests)
        found.append((requests, requests * each_s))
    return response(found)


def least_time_s(clock: Clock, pipeline: Pipeline, requests: float) -> float:
    """Least seconds of a request with so many in the copy.

    Time per request falls as requests grow, because inside a PC messages cost a fixed part and a part by bytes.
    """
    return _round_s(clock, pipeline, requests)


def _round_s(clock: Clock, pipeline: Pipeline, requests: float) -> float:
    asked, groups = clock.workload, pipeline.groups
    flights = min(float(len(groups)), requests)
    way_s, busy_s = _step_s(clock, pipeline, Load(decode=True, sequences=requests / flights))
    prompts_s = min(
        read_s + max(0.0, requests / together - 1) * reading_s
        for together in _together(clock, groups, requests)
        for read_s, reading_s in [_step_s(clock, pipeline, Load(decode=False, sequences=together))]
    )
    return prompts_s + (asked.output_tokens - 1) * max(way_s, flights * busy_s)


def _together(clock: Clock, groups: Sequence[Group], requests: float) -> set[float]:
    """Prompts of a chunk, by which group drives."""
    ranks = sum(map(len, groups))
    prompt = clock.workload.prompt_tokens
    return {
        min(requests, max(1.0, engine_limits(group[0], ranks).batched_tokens // prompt))
        for group in groups
    }


def _step_s(clock: Clock, pipeline: Pipeline, load: Load) -> tuple[float, float]:
    """(least seconds of the way, least seconds of the busiest stage).

    With s_g the seconds of a layer on group g and h_g what the output head adds there, layers that all
    stages finish together take M with sum over g of (M / s_g) = L + h / s of the last group.
    """
    groups, layers = pipeline.groups, clock.spec.layers
    tokens = load.sequences * (1 if load.decode else clock.workload.prompt_tokens)
    least = [clock.least_s(group, load) for group in groups]
    layer_s = [each_s for each_s, _ in least]
    head_s = [ends_s for _, ends_s in least]
    ends = range(len(groups) - 1, len(groups)) if pipeline.ordered else range(len(groups))
    speed = sum(1 / one_s for one_s in layer_s)
    balanced_s = (layers + min(head_s[i] / layer_s[i] for i in ends)) / speed
    drivers = groups[:1] if pipeline.ordered else groups
    ranks = sum(map(len, groups))
    host_s = min(step.host_seconds(clock.spec, g[0], ranks, load.sequences) for g in drivers)
    work_s = (layers - len(groups)) * min(layer_s) + sum(layer_s) + min(head_s[i] for i in ends)
    stepping_s = min(clock.stepping([g, *groups]).total_s for g in drivers)
    way_s = max(work_s, balanced_s) + _edges_s(clock, pipeline, tokens) + stepping_s + host_s
    return way_s, max(balanced_s, host_s)


def _edges_s(clock: Clock, pipeline: Pipeline, tokens: float) -> float:
    """Hand-overs: those of the order, or as many of the cheapest as every order has."""
    groups = pipeline.groups
    if pipeline.ordered:
        return sum(clock.between(a, b, tokens).total_s for a, b in pairwise(groups))
    far: list[float] = []
    near: list[float] = []
    for a in groups:
        for b in groups:
            if a is not b:
                cost_s = clock.between(a, b, tokens).total_s
                (near if a[0].node_id == b[0].node_id else far).append(cost_s)
    crossings = len({group[0].node_id for group in groups}) - 1
    inner = len(groups) - 1 - crossings
    return crossings * min(far, default=0.0) + inner * min(near, default=0.0)
