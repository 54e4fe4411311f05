"""How vLLM's own benchmark is asked for a workload, and what its result says."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from homecluster.domain.measurement import Drafted, Served, Spread
from homecluster.domain.workload import Serve

CLIENT = "vllm.entrypoints.cli.main"
"""The module behind the `vllm` command; the command itself names a path that renaming breaks."""


def benchmark_arguments(
    *,
    base_url: str,
    served_model: str,
    tokenizer: str,
    workload: Serve,
    requests: int,
    folder: str,
    file: str,
) -> tuple[str, ...]:
    """Arguments for the engine's Python: random prompts of exact length, answers to their full length."""
    rate = workload.request_rate_per_s
    load = (
        ("--max-concurrency", str(workload.concurrent_requests))
        if rate is None
        else ("--request-rate", repr(rate))
    )
    return (
        *("-m", CLIENT, "bench", "serve", "--backend", "openai"),
        *("--base-url", base_url.removesuffix("/v1"), "--endpoint", "/v1/completions"),
        *("--model", served_model, "--tokenizer", tokenizer, "--dataset-name", "random"),
        *("--random-input-len", str(workload.prompt_tokens)),
        *("--random-output-len", str(workload.output_tokens), "--ignore-eos"),
        *("--num-prompts", str(requests), *load, "--disable-tqdm"),
        *("--save-result", "--save-detailed", "--result-dir", folder, "--result-filename", file),
    )


def read_result(result: Mapping[str, Any]) -> Served | None:
    """The run as measured, None when not one request was answered.

    Raises:
        KeyError: the file is of another version of vLLM.
    """
    done = [index for index, error in enumerate(result["errors"]) if not error]
    if not done:
        return None
    latencies = [float(result["latencies"][i]) for i in done]
    starts = [float(result["start_times"][i]) for i in done]
    first = [float(result["ttfts"][i]) for i in done]
    outputs = [int(result["output_lens"][i]) for i in done]
    inputs = [int(result["input_lens"][i]) for i in done]
    begun = min(starts)
    ended = max(start + latency for start, latency in zip(starts, latencies, strict=True))
    duration = ended - begun
    # Little's law: requests in flight on average.
    together = sum(latencies) / duration
    intervals = [
        (latency - ttft) / (count - 1)
        for latency, ttft, count in zip(latencies, first, outputs, strict=True)
        if count > 1
    ]
    per_request = [together / latency for latency in latencies]
    return Served(
        output_tokens_per_s=_rates(sum(outputs) / duration, per_request, outputs),
        total_tokens_per_s=_rates(
            (sum(inputs) + sum(outputs)) / duration,
            per_request,
            [a + b for a, b in zip(inputs, outputs, strict=True)],
        ),
        requests_per_s=_rates(len(done) / duration, per_request, [1] * len(done)),
        first_token_s=_spread(first),
        token_interval_s=_spread(intervals or [0.0]),
        duration_s=duration,
        completed=len(done),
        failed=len(result["errors"]) - len(done),
        input_tokens=sum(inputs),
        output_tokens=sum(outputs),
        begun_at_s=begun,
        ended_at_s=ended,
        drafted=_drafted(result, sum(outputs)),
    )


def _drafted(result: Mapping[str, Any], output_tokens: int) -> Drafted | None:
    """The client reads it from the engine's counters; a token that was drafted right saved a step."""
    drafts = result.get("spec_decode_draft_tokens")
    if not drafts:
        return None
    right = int(result["spec_decode_accepted_tokens"])
    steps = max(1, output_tokens - right)
    return Drafted(tokens=int(drafts), right=right, tokens_per_step=output_tokens / steps)


def _rates(mean: float, per_request: Sequence[float], tokens: Sequence[int]) -> Spread:
    values = [rate * count for rate, count in zip(per_request, tokens, strict=True)]
    return _spread(values, mean=mean)


def _spread(values: Sequence[float], mean: float | None = None) -> Spread:
    return Spread(
        mean=statistics.fmean(values) if mean is None else mean,
        p50=percentile(values, 50),
        p95=percentile(values, 95),
        p99=percentile(values, 99),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the two nearest values, as numpy's default."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
