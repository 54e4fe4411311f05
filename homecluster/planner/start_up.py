"""How long an engine takes to be ready, and why a slow link makes it look stuck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from homecluster.domain.estimate import Estimate, Interval, MemoryUse
from homecluster.domain.hardware import Device, DeviceKind
from homecluster.planner import priors, step
from homecluster.planner.memory import engine_limits
from homecluster.planner.step import Copy

PROFILING_TRAFFIC = "profiling pass over the links"

Part = tuple[str, float]


def parts(copy: Copy, memory: Sequence[MemoryUse]) -> tuple[Part, ...]:
    """(what, seconds) in order."""
    weights_bytes = max(use.weights_bytes for use in memory)
    found = [
        ("process start", _server_s(copy.driver)),
        *_joining(copy),
        ("loading weights", weights_bytes / priors.WEIGHT_LOAD_BYTES_PER_S),
        *_profiling(copy),
        _getting_ready(copy.driver),
        ("first token over the links", _first_token_s(copy) if copy.spans_pcs else 0.0),
    ]
    return tuple((what, seconds) for what, seconds in found if seconds > 0)


def interval(found: Sequence[Part], devices: Sequence[Device]) -> Interval:
    """Of the whole start: wider where a PC's own start was never timed."""
    total_s = sum(seconds for _, seconds in found)
    error = max(priors.START_UP_ERROR[one.provenance_of("server_start_s")] for one in devices)
    return Interval(low=total_s / (1 + error), mid=total_s, high=total_s * (1 + error))


def with_ray(estimate: Estimate) -> Estimate:
    """The same copy joined by a Ray of its own, which comes up before vLLM does."""
    factor = 1 + priors.RAY_START_S / estimate.start_up_s.mid
    return replace(
        estimate,
        start_up_s=estimate.start_up_s.scaled(factor),
        start_up_parts=(("starting Ray", priors.RAY_START_S), *estimate.start_up_parts),
    )


def _server_s(device: Device) -> float:
    return device.server_start_s or priors.PROCESS_START_S[device.kind]


def _worker_s(device: Device) -> float:
    return device.worker_start_s or priors.WORKER_START_S


def _joining(copy: Copy) -> tuple[Part, ...]:
    """The first PC starts a server, then its worker; each other PC as much as a server in all.

    Whoever is first waits for the slowest; then all build their groups together.
    """
    if not copy.spans_pcs:
        return ()
    first_s = _server_s(copy.driver) + _worker_s(copy.driver)
    slowest_s = max(_server_s(device) for device in copy.devices)
    return (
        ("worker start", _worker_s(copy.driver)),
        ("waiting for the slowest PC", max(0.0, slowest_s - first_s)),
        ("joining the other PCs", priors.GROUPS_S + priors.GROUP_ROUND_TRIPS * _longest_rtt(copy)),
    )


def _longest_rtt(copy: Copy) -> float:
    nodes = sorted({device.node_id for device in copy.devices})
    return max(copy.fabric.round_trip(a, b) for a, b in combinations(nodes, 2))


def _profiling(copy: Copy) -> tuple[Part, ...]:
    """One forward pass of the whole token budget (2048 to 8192 tokens), to see how much memory is left.

    Under tensor parallel that pass sends its activations through every all-reduce: for GPT-2 about
    80 MB each way, half a minute to minutes on 20 Mbit/s. On CPU there is none: told the cache's size
    and to compile nothing, vLLM 0.32 skips it (v1/worker/cpu_worker.py, _should_warm_up_model).
    """
    if copy.driver.kind is DeviceKind.CPU:
        return ()
    tokens = engine_limits(copy.driver, len(copy.devices)).batched_tokens
    per_request = min(tokens, copy.spec.max_positions)
    profile = step.prefill_step(
        copy, prompts=max(1, tokens // per_request), prompt_tokens=per_request
    )
    wire_s = profile.path.network_latency_s + profile.path.network_transfer_s
    return (
        ("profiling pass", profile.path.total_s - wire_s),
        (PROFILING_TRAFFIC, wire_s if copy.spans_pcs else 0.0),
    )


def _getting_ready(device: Device) -> Part:
    """Measured with a tiny model: memory, what is compiled, the API's own start."""
    if device.engine_ready_s is not None:
        return "getting ready", device.engine_ready_s
    return "compiling", priors.COMPILE_S[device.kind]


def _first_token_s(copy: Copy) -> float:
    """A gang is ready once a token came back through all of it; the prompt is one word."""
    return step.prefill_step(copy, prompts=1, prompt_tokens=1).path.total_s
