"""Timing streamed tokens, against a server of ours that speaks as vLLM's does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from homecluster.jobs import token_stream
from homecluster.jobs.token_stream import Burst, token_interval_s

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BURST = Burst(requests=3, prompt_tokens=5, output_tokens=10)


async def read_request(reader: asyncio.StreamReader) -> dict[str, object]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.splitlines() if "Length" in line)
    request: dict[str, object] = json.loads(await reader.readexactly(length))
    return request


def interval(handler: Handler, burst: Burst = BURST) -> float:
    async def run() -> float:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        async with server:
            return await token_interval_s(server.sockets[0].getsockname()[1], burst, 512, seed=1)

    return asyncio.run(run())


def streaming(pause_s: float) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        tokens = request["max_tokens"]
        assert isinstance(tokens, int)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for _ in range(tokens):
            await asyncio.sleep(pause_s)
            writer.write(b'data: {"choices":[{"text":" w7"}]}\n\n')
            await writer.drain()
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()

    return handle


def test_the_interval_is_the_servers_pause() -> None:
    # A pause is never shorter than asked for; on a busy machine it is longer.
    assert interval(streaming(0.02)) >= 0.02


def test_only_the_time_in_which_all_are_answered_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 1.5 s to 1.9 s: four gaps of the quick one and two of the slow one, 0.8 s in all."""
    quick, slow = ([start + pause * i for i in range(10)] for start, pause in ((1.0, 0.1), (1.5, 0.2)))  # fmt: skip
    arrivals = iter([quick, slow])

    async def told(*_: object) -> list[float]:
        return next(arrivals)

    monkeypatch.setattr(token_stream, "_arrivals", told)
    burst = Burst(requests=2, prompt_tokens=5, output_tokens=10)
    assert asyncio.run(token_interval_s(0, burst, 512, seed=1)) == pytest.approx(0.8 / 6)


def test_an_engine_error_is_told_in_its_own_words() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b'HTTP/1.1 200 OK\r\n\r\ndata: {"error": {"message": "EngineCore died"}}\n\n')
        writer.close()

    with pytest.raises(RuntimeError, match="EngineCore died"):
        interval(handle)


def test_an_answer_that_breaks_off_is_no_measurement() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b'HTTP/1.1 200 OK\r\n\r\ndata: {"choices":[]}\n\n')
        writer.close()

    with pytest.raises(RuntimeError, match="early"):
        interval(handle)


def test_requests_that_do_not_overlap_are_no_measurement() -> None:
    turn = asyncio.Lock()
    inner = streaming(0.001)

    async def one_at_a_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with turn:
            await inner(reader, writer)

    with pytest.raises(RuntimeError, match="overlapped"):
        interval(one_at_a_time)
