"""How long an engine takes to be ready, and why a slow link makes it look stuck."""

from __future__ import annotations

from collections.abc import Sequence

from homecluster.domain.estimate import MemoryUse
from homecluster.planner import priors, step
from homecluster.planner.memory import engine_limits
from homecluster.planner.step import Copy

PROFILING_TRAFFIC = "profiling pass over the links"


def parts(copy: Copy, memory: Sequence[MemoryUse]) -> tuple[tuple[str, float], ...]:
    """(what, seconds) in order.

    vLLM runs one forward pass of its whole token budget (2048 to 8192 tokens) to see how much memory
    is left. Under tensor parallel that pass sends its activations through every all-reduce: for GPT-2
    about 80 MB each way, half a minute to minutes on 20 Mbit/s.
    """
    kind = copy.driver.kind
    tokens = engine_limits(copy.driver, len(copy.devices)).batched_tokens
    per_request = min(tokens, copy.spec.max_positions)
    profile = step.prefill_step(
        copy, prompts=max(1, tokens // per_request), prompt_tokens=per_request
    )
    wire_s = profile.path.network_latency_s + profile.path.network_transfer_s
    weights_bytes = max(use.weights_bytes for use in memory)
    found = [
        ("process start", priors.PROCESS_START_S[kind]),
        ("joining the other PCs", priors.GANG_START_S if copy.spans_pcs else 0.0),
        ("loading weights", weights_bytes / priors.WEIGHT_LOAD_BYTES_PER_S),
        ("profiling pass", profile.path.total_s - wire_s),
        (PROFILING_TRAFFIC, wire_s if copy.spans_pcs else 0.0),
        ("compiling", priors.COMPILE_S[kind]),
    ]
    return tuple((what, seconds) for what, seconds in found if seconds > 0)
