"""How long an engine takes to be ready, and why a slow link makes it look stuck."""

from __future__ import annotations

from collections.abc import Sequence

from homecluster.domain.estimate import MemoryUse
from homecluster.domain.hardware import DeviceKind
from homecluster.planner import priors, step
from homecluster.planner.memory import engine_limits
from homecluster.planner.step import Copy

PROFILING_TRAFFIC = "profiling pass over the links"

Part = tuple[str, float]


def parts(copy: Copy, memory: Sequence[MemoryUse]) -> tuple[Part, ...]:
    """(what, seconds) in order."""
    kind = copy.driver.kind
    weights_bytes = max(use.weights_bytes for use in memory)
    found = [
        ("process start", priors.PROCESS_START_S[kind]),
        *_joining(copy),
        ("loading weights", weights_bytes / priors.WEIGHT_LOAD_BYTES_PER_S),
        *_profiling(copy),
        ("compiling", priors.COMPILE_S[kind]),
        ("first token over the links", _first_token_s(copy) if copy.spans_pcs else 0.0),
    ]
    return tuple((what, seconds) for what, seconds in found if seconds > 0)


def _joining(copy: Copy) -> tuple[Part, ...]:
    if not copy.spans_pcs:
        return ()
    return (
        ("worker start", priors.WORKER_START_S),
        ("joining the other PCs", priors.GANG_START_S),
    )


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


def _first_token_s(copy: Copy) -> float:
    """A gang is ready once a token came back through all of it; the prompt is one word."""
    return step.prefill_step(copy, prompts=1, prompt_tokens=1).path.total_s
