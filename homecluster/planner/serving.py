"""What a copy delivers under a load: batches, queueing, prefill between decodes, pipelining."""

from __future__ import annotations

import math
from dataclasses import dataclass

from homecluster.domain.estimate import Terms
from homecluster.domain.workload import Serve
from homecluster.planner import step
from homecluster.planner.memory import engine_limits
from homecluster.planner.step import Copy

NO_TIME = Terms(
    compute_s=0, memory_s=0, network_latency_s=0, network_transfer_s=0, host_s=0, idle_s=0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One copy at a given number of concurrent requests."""

    requests_per_s: float
    first_token_s: float
    token_interval_s: float
    terms: Terms
    """Add up to `token_interval_s`."""
    running_requests: int


def closed_loop(copy: Copy, workload: Serve, *, concurrent: int, kv_cache_tokens: int) -> Served:
    """`concurrent` clients that each send the next request when the last is answered.

    A round: the prompts of all running requests are read in chunks of the engine's token budget, then
    every request gets its remaining tokens. Rate = requests / round. Where the KV cache holds fewer
    requests than there are, the rest wait for a place.
    """
    running = _running(copy, workload, concurrent, kv_cache_tokens)
    context = workload.prompt_tokens + workload.output_tokens / 2
    interval = _decode_interval(copy, running, context)
    reading = _reading(copy, workload, running)
    decodes = workload.output_tokens - 1
    round_s = reading.total_s + decodes * interval.total_s
    requests_per_s = running / round_s
    if decodes == 0:
        return Served(
            requests_per_s=requests_per_s,
            first_token_s=concurrent / requests_per_s
            if running < concurrent
            else reading.mean_first_s,
            token_interval_s=interval.total_s,
            terms=interval,
            running_requests=running,
        )
    # What others' prompts take from a request between its own tokens.
    waiting_s = max(0.0, reading.total_s - reading.mean_first_s)
    share = waiting_s / decodes / reading.path.total_s if reading.path.total_s else 0.0
    terms = interval.plus(reading.path.scaled(share))
    first_token_s = concurrent / requests_per_s - decodes * terms.total_s
    return Served(
        requests_per_s=requests_per_s,
        first_token_s=first_token_s,
        token_interval_s=terms.total_s,
        terms=terms,
        running_requests=running,
    )


def open_loop(copy: Copy, workload: Serve, *, rate_per_s: float, kv_cache_tokens: int) -> Served:
    """Requests arriving at `rate_per_s`, however long the answers take.

    Little's law: requests inside = rate x time inside, solved by bisection on the closed loop's curve;
    past the capacity the rate is the capacity's and the queue grows without end (first token infinite is
    not a useful number: it is then that of a full engine).
    """
    low, high = 1, engine_limits(copy.driver, len(copy.devices)).sequences
    full = closed_loop(copy, workload, concurrent=high, kv_cache_tokens=kv_cache_tokens)
    if full.requests_per_s <= rate_per_s:
        return full
    while low < high:
        middle = (low + high) // 2
        served = closed_loop(copy, workload, concurrent=middle, kv_cache_tokens=kv_cache_tokens)
        if served.requests_per_s >= rate_per_s:
            high = middle
        else:
            low = middle + 1
    served = closed_loop(copy, workload, concurrent=low, kv_cache_tokens=kv_cache_tokens)
    return Served(
        requests_per_s=min(rate_per_s, served.requests_per_s),
        first_token_s=served.first_token_s,
        token_interval_s=served.token_interval_s,
        terms=served.terms,
        running_requests=served.running_requests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Reading the prompts of all running requests once."""

    path: Terms
    total_s: float
    mean_first_s: float
    """When a request has its first token, on average over the requests that start together."""


def _running(copy: Copy, workload: Serve, concurrent: int, kv_cache_tokens: int) -> int:
    tokens_held = workload.prompt_tokens + workload.output_tokens / 2
    room = max(1, math.floor(kv_cache_tokens / tokens_held))
    limit = engine_limits(copy.driver, len(copy.devices)).sequences
    return min(concurrent, room, limit)


def _reading(copy: Copy, workload: Serve, requests: int) -> _Reading:
    limit = engine_limits(copy.driver, len(copy.devices)).batched_tokens
    together = min(requests, max(1, limit // workload.prompt_tokens))
    rounds = math.ceil(requests / together)
    group = step.prefill_step(copy, prompts=together, prompt_tokens=workload.prompt_tokens)
    share = requests / (rounds * together)  # the last group may be smaller
    spacing_s = group.occupied_s * share
    first_s = group.path.total_s * (share if rounds == 1 else 1.0)
    total_s = first_s + (rounds - 1) * spacing_s
    return _Reading(
        path=group.path, total_s=total_s, mean_first_s=first_s + spacing_s * (rounds - 1) / 2
    )


def _decode_interval(copy: Copy, running: int, context_tokens: float) -> Terms:
    """Time between two tokens of one request.

    A pipeline of p stages keeps m = min(p, requests) batches in flight: a batch comes round after the
    longer of its own way through all stages and m times the busiest stage; the difference is idle.
    """
    flights = min(len(copy.stages), running)
    one = step.decode_step(
        copy, sequences=math.ceil(running / flights), context_tokens=context_tokens
    )
    idle_s = max(0.0, flights * one.occupied_s - one.path.total_s)
    return one.path.plus(
        Terms(
            compute_s=0,
            memory_s=0,
            network_latency_s=0,
            network_transfer_s=0,
            host_s=0,
            idle_s=idle_s,
        )
    )
