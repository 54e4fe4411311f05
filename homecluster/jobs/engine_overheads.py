"""What vLLM itself costs on this PC, from real servers with tiny models and real streamed requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from homecluster.jobs.overhead_fit import Load, attention_rate, is_settled, solve
from homecluster.jobs.tiny_model import VOCABULARY, TinyModel, write_tiny_model
from homecluster.jobs.tiny_server import tiny_server
from homecluster.jobs.token_stream import Burst, first_token_s, token_interval_s

Say = Callable[[str], None]

_SHALLOW, _DEEP = 2, 12
_MAX_TOKENS = 1024
_OUTPUT_TOKENS = 40
_SHORT_PROMPT, _LONG_PROMPT = 16, _MAX_TOKENS - _OUTPUT_TOKENS
_BATCH = 8
_LEAST_ROUNDS = 4
_LIMIT_S = 45.0
"""On a quiet PC four rounds, five seconds, are enough; a busy one gets this long to have quiet moments."""
_DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

_BURSTS = {
    _SHALLOW: ((1, _SHORT_PROMPT),),
    _DEEP: ((1, _SHORT_PROMPT), (_BATCH, _SHORT_PROMPT), (_BATCH, _LONG_PROMPT)),
}
"""Layers -> (requests, prompt tokens)."""


async def measure_overheads(
    folder: Path,
    environment: Mapping[str, str],
    *,
    dtype: str,
    flop_per_s: float,
    eager: bool,
    side_by_side: bool,
    say: Say,
) -> dict[str, Any]:
    """The solved overheads in seconds, and the measured step times that they explain.

    `flop_per_s` is the rate of large matrix products, which a prefill's time is split by.
    Both servers run side by side where memory allows, and bursts alternate, so that a PC that grows
    busier meanwhile slows both alike and their difference stays true. They start one after the other:
    the first start is measured, too.

    Raises:
        RuntimeError: a server did not come up or did not answer; with the end of its log.
    """
    samples = _Samples()
    for depths in ((_SHALLOW, _DEEP),) if side_by_side else ((_SHALLOW,), (_DEEP,)):
        say(f"starting vLLM with {' and '.join(map(str, depths))} tiny layers")
        async with AsyncExitStack() as servers:
            ports = {}
            for depth in depths:
                home = folder / f"{depth}-layers"
                write_tiny_model(home, _tiny(depth), dtype)
                server = await servers.enter_async_context(
                    tiny_server(home, environment, max_tokens=_MAX_TOKENS, dtype=dtype, eager=eager)
                )
                ports[depth] = server.port
                samples.starts.append(server.start_up)
            say("timing the steps of real requests")
            await _bursts(ports, samples.steps)
            if _DEEP in ports:
                await _first_tokens(ports[_DEEP], samples.firsts)
    return _document(samples, dtype, flop_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Samples:
    """What was timed, filled while the servers run."""

    steps: dict[Load, list[float]] = field(default_factory=dict)
    firsts: dict[int, list[float]] = field(default_factory=dict)
    """Prompt tokens -> seconds to the first token."""
    starts: list[dict[str, float] | None] = field(default_factory=list)


def _tiny(layers: int) -> TinyModel:
    return TinyModel(layers=layers, max_tokens=_MAX_TOKENS)


def _document(samples: _Samples, dtype: str, flop_per_s: float) -> dict[str, Any]:
    cache_bytes = {
        depth: _tiny(depth).cache_bytes_per_token(_DTYPE_BYTES[dtype]) for depth in _BURSTS
    }
    deep = _tiny(_DEEP)
    return {
        **asdict(solve(samples.steps, cache_bytes)),
        "start_up": samples.starts[0],
        "attention_flop_per_s": attention_rate(
            samples.firsts,
            {tokens: deep.attention_flop(tokens) for tokens in samples.firsts},
            deep.linear_flop_per_token(),
            flop_per_s,
        ),
        "first_tokens": [
            {"prompt_tokens": tokens, "first_token_s": seconds}
            for tokens, seconds in samples.firsts.items()
        ],
        "cache_bytes_per_token": cache_bytes,
        "steps": [{**asdict(load), "step_s": seconds} for load, seconds in samples.steps.items()],
    }


async def _bursts(ports: Mapping[int, int], steps: dict[Load, list[float]]) -> None:
    """Rounds of all bursts until their fastest agree or time is up; the first only warms up."""
    end = time.monotonic() + _LIMIT_S
    here: dict[Load, list[float]] = {}
    await _round(ports, 0, {})
    turn = 0
    while turn < _LEAST_ROUNDS or (
        time.monotonic() < end and not all(is_settled(samples) for samples in here.values())
    ):
        turn += 1
        await _round(ports, turn, here)
    steps |= here


async def _round(ports: Mapping[int, int], turn: int, steps: dict[Load, list[float]]) -> None:
    for depth, port in ports.items():
        for requests, prompt_tokens in _BURSTS[depth]:
            burst = Burst(
                requests=requests, prompt_tokens=prompt_tokens, output_tokens=_OUTPUT_TOKENS
            )
            seed = hash((turn, depth, requests, prompt_tokens))
            step_s = await token_interval_s(port, burst, VOCABULARY, seed)
            context = prompt_tokens + _OUTPUT_TOKENS // 2
            load = Load(layers=depth, requests=requests, context_tokens=context)
            steps.setdefault(load, []).append(step_s)


async def _first_tokens(port: int, firsts: dict[int, list[float]]) -> None:
    end = time.monotonic() + _LIMIT_S / 3
    turn = 0
    while turn < _LEAST_ROUNDS or (
        time.monotonic() < end and not all(is_settled(samples) for samples in firsts.values())
    ):
        turn += 1
        for tokens in (_SHORT_PROMPT, _LONG_PROMPT):
            waited_s = await first_token_s(port, tokens, VOCABULARY, hash((turn, tokens)))
            firsts.setdefault(tokens, []).append(waited_s)
