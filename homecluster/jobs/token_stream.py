"""How long real requests wait between two tokens, seen from the client's side of the API server."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass

_FIRST_PLAIN_TOKEN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Requests sent together to one server."""

    requests: int
    prompt_tokens: int
    output_tokens: int


async def token_interval_s(port: int, burst: Burst, vocabulary: int, seed: int) -> float:
    """Mean time between tokens while all requests of the burst are being answered.

    From the last first token to the first last one, so that neither prefills nor a thinning batch count.

    Raises:
        RuntimeError: the server answered an error, or ended early.
        OSError: the server is not there.
    """
    prompts = [
        _prompt(burst.prompt_tokens, vocabulary, hash((seed, number)))
        for number in range(burst.requests)
    ]
    arrivals = await asyncio.gather(
        *(_arrivals(port, prompt, burst.output_tokens) for prompt in prompts)
    )
    begin = max(times[0] for times in arrivals)
    end = min(times[-1] for times in arrivals)
    together = [[time for time in times if begin <= time <= end] for times in arrivals]
    gaps = sum(len(times) - 1 for times in together)
    if gaps < burst.output_tokens // 2:
        raise RuntimeError("the requests of a burst hardly overlapped")
    return sum(times[-1] - times[0] for times in together) / gaps


async def first_token_s(port: int, prompt_tokens: int, vocabulary: int, seed: int) -> float:
    """Time from sending one request to its first token; nothing else runs meanwhile.

    Raises:
        RuntimeError: the server answered an error, or ended early.
        OSError: the server is not there.
    """
    sent = time.perf_counter()
    arrivals = await _arrivals(port, _prompt(prompt_tokens, vocabulary, seed), 2)
    return arrivals[0] - sent


def _prompt(tokens: int, vocabulary: int, seed: int) -> list[int]:
    chosen = random.Random(seed)  # noqa: S311 - prompts that no prefix cache knows, nothing secret
    return [chosen.randrange(_FIRST_PLAIN_TOKEN, vocabulary) for _ in range(tokens)]


async def _arrivals(port: int, prompt: list[int], output_tokens: int) -> list[float]:
    body = json.dumps(
        {
            "model": "m",
            "prompt": prompt,
            "max_tokens": output_tokens,
            "temperature": 0.0,
            "ignore_eos": True,
            "stream": True,
        }
    ).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        return await _token_times(reader)
    finally:
        writer.close()


async def _token_times(reader: asyncio.StreamReader) -> list[float]:
    times: list[float] = []
    while line := await reader.readline():
        if line.startswith((b'data: {"error"', b'{"error"')):
            raise RuntimeError(f"the engine answered {line.decode(errors='replace').strip()}")
        if line.startswith(b"data: {"):
            times.append(time.perf_counter())
        if line.startswith(b"data: [DONE]") and len(times) > 1:
            return times
    raise RuntimeError("the engine ended its answer early")
