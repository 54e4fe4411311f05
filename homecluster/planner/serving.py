"""What a copy delivers under a load: batches, queueing, prefill between decodes, pipelining."""

from __future__ import annotations

import math
from dataclasses import dataclass

from homecluster.domain.estimate import Terms
from homecluster.domain.hardware import Device
from homecluster.domain.workload import Serve
from homecluster.planner import step
from homecluster.planner.load import Response, response
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
    running_requests: float


def closed_loop(copy: Copy, workload: Serve, *, concurrent: float, kv_cache_tokens: int) -> Served:
    """`concurrent` clients that each send the next request when the last is answered.

    A round: the prompts of all running requests are read, the first one's in a step of its own and the others'
    in chunks of the engine's token budget, then every request gets its remaining tokens. Rate = requests / round. Where the KV cache holds fewer
    requests than there are, the rest wait for a place. Requests are counted on average, not whole:
    a copy that shares the load with others holds 2.5 of them as well as 2.
    """
    inside = _running(copy, workload, concurrent, kv_cache_tokens)
    interval = _decode_interval(copy, workload, inside)
    reading = _reading(copy, workload, inside)
    decodes = workload.output_tokens - 1
    round_s = reading.total_s + decodes * interval.total_s
    requests_per_s = inside / round_s
    terms = interval
    if decodes and reading.path.total_s:  # what others' prompts take between a request's own tokens
        waiting_s = max(0.0, reading.total_s - reading.mean_first_s)
        terms = interval.plus(reading.path.scaled(waiting_s / decodes / reading.path.total_s))
    first_token_s = concurrent / requests_per_s - decodes * terms.total_s
    if (
        not decodes and inside == concurrent
    ):  # nobody queues, and the round ends with the last one's token
        first_token_s = reading.mean_first_s
    return Served(
        requests_per_s=requests_per_s,
        first_token_s=first_token_s,
        token_interval_s=terms.total_s,
        terms=terms,
        running_requests=inside,
    )


def response_of(copy: Copy, workload: Serve, kv_cache_tokens: int) -> Response:
    """How long a request stays in the copy, by how many are there: at powers of two, and where a limit is reached."""
    return response(
        [
            (held, held / served.requests_per_s)
            for held in knots(copy.driver, len(copy.devices), workload, kv_cache_tokens)
            for served in [
                closed_loop(copy, workload, concurrent=held, kv_cache_tokens=kv_cache_tokens)
            ]
        ]
    )


def knots(driver: Device, ranks: int, workload: Serve, kv_cache_tokens: int) -> list[float]:
    """Numbers of requests at which a copy's response is computed; in between it is a straight line."""
    most = float(workload.concurrent_requests)
    if workload.request_rate_per_s is not None:
        most = float(engine_limits(driver, ranks).sequences)
    together = float(chunk_of(driver, ranks, workload))
    full = running(driver, ranks, workload, most, kv_cache_tokens)
    powers = [2.0**power for power in range(int(math.log2(most)) + 1)]
    return sorted({*powers, full, min(together, most), most})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Reading the prompts of all running requests once."""

    path: Terms
    total_s: float
    mean_first_s: float
    """When a request has its first token, on average over the requests that start together."""


def _running(copy: Copy, workload: Serve, concurrent: float, kv_cache_tokens: int) -> float:
    return running(copy.driver, len(copy.devices), workload, concurrent, kv_cache_tokens)


def running(
    driver: Device, ranks: int, workload: Serve, concurrent: float, kv_cache_tokens: int
) -> float:
    """Requests of a copy that its KV cache and its engine let run at once."""
    tokens_held = workload.prompt_tokens + workload.output_tokens / 2
    room = max(1, math.floor(kv_cache_tokens / tokens_held))
    return float(min(concurrent, room, engine_limits(driver, ranks).sequences))


def chunk_of(driver: Device, ranks: int, workload: Serve) -> int:
    """Prompts that the engine's token budget lets be read in one step."""
    return max(1, engine_limits(driver, ranks).batched_tokens // workload.prompt_tokens)


def after_the_first(requests: float, chunk: int) -> tuple[float, float]:
    """(requests whose prompts are read after the first one's step, how many of them in a step)."""
    others = requests - 1
    return others, max(1.0, min(others, chunk))


def _reading(copy: Copy, workload: Serve, requests: float) -> _Reading:
    """The engine begins with whoever comes first, and reads the others, who come meanwhile, after that step.

    One request has its first token early and then waits for the others' prompts.
    """
    chunk = chunk_of(copy.driver, len(copy.devices), workload)
    if len(copy.stages) > 1:
        return _piped_reading(copy, workload, requests, chunk)
    others, together = after_the_first(requests, chunk)
    first = step.prefill_step(copy, prompts=1, prompt_tokens=workload.prompt_tokens).path
    next_s = step.prefill_step(
        copy, prompts=together, prompt_tokens=workload.prompt_tokens
    ).path.total_s
    others_s = next_s * others / together
    return _Reading(
        path=first,
        total_s=first.total_s + others_s,
        mean_first_s=first.total_s + (next_s + others_s) / 2 * others / requests,
    )


def _piped_reading(copy: Copy, workload: Serve, requests: float, chunk: int) -> _Reading:
    """The first chunk's way through all stages, and after it what the busiest stage takes for the others.

    The others' prompts follow the first one's into the first stage as soon as that is free.
    """
    together = min(requests, chunk)
    group = step.prefill_step(copy, prompts=together, prompt_tokens=workload.prompt_tokens)
    alone = step.prefill_step(copy, prompts=1, prompt_tokens=workload.prompt_tokens)
    whole_s, alone_s = group.path.total_s, alone.path.total_s
    later_s = group.occupied_s * (requests / together - 1)
    return _Reading(
        path=group.path,
        total_s=whole_s + later_s,
        mean_first_s=(alone_s + (requests - 1) * (whole_s + later_s / 2)) / requests,
    )


def largest_batch(stages: int, requests: float, chunk: int) -> float:
    """Requests in a step, of so many that run in a copy.

    A pipeline keeps several batches in flight, but vLLM does not balance them: a step takes every request that
    is in no other batch, and as many new prompts as a chunk holds. Of requests that begin together the first is
    alone in a batch; the others come while it is read, and a chunk of them stays together. Where chunks are many,
    they are dealt to all batches.
    """
    if stages == 1:
        return max(1.0, requests)
    return max(1.0, min(requests - 1, max(chunk, requests / stages)))


def _decode_interval(copy: Copy, workload: Serve, running: float) -> Terms:
    """Time between two tokens of one request.

    A batch comes round after the longer of its own way through all stages and what the busiest stage takes
    for everybody's; the difference is idle.
    """
    chunk = chunk_of(copy.driver, len(copy.devices), workload)
    largest = largest_batch(len(copy.stages), running, chunk)
    context_tokens = workload.prompt_tokens + workload.output_tokens / 2
    one = step.decode_step(copy, sequences=largest, context_tokens=context_tokens)
    idle_s = max(0.0, running / largest * one.occupied_s - one.path.total_s)
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
