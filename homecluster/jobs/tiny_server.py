"""A real vLLM API server with a tiny model, started as `up` starts one, for as long as it is needed."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from homecluster.jobs.start_clock import StartClock, start_parts

_CACHE_BYTES = 320 * 1024**2
"""Room for a burst of long requests; the default would take most of the memory."""
_READY_S = 240.0
_STOP_S = 20.0
_LOG_TAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyServer:
    """A server that answers."""

    port: int
    start_up: dict[str, float] | None
    """Seconds of its start by part (`start_clock.start_parts`)."""


@asynccontextmanager
async def tiny_server(
    model: Path, environment: Mapping[str, str], *, max_tokens: int, dtype: str, eager: bool
) -> AsyncIterator[TinyServer]:
    """A server that answers, its log beside the model; it is gone afterwards.

    Raises:
        RuntimeError: it ended, or did not answer in time; with the end of its log.
    """
    port = _free_port()
    log = model / "server.log"
    argv = (
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", str(model), "--served-model-name", "m", "--load-format", "dummy"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", dtype, "--max-model-len", str(max_tokens)),
        *("--kv-cache-memory-bytes", str(_CACHE_BYTES)),
        *(("--enforce-eager",) if eager else ()),
    )
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
        )
    try:
        yield TinyServer(port=port, start_up=await _until_ready(process, port, log))
    finally:
        await _stop(process)


async def _until_ready(
    process: asyncio.subprocess.Process, port: int, log: Path
) -> dict[str, float] | None:
    """The parts of the start, to a fifth of a second."""
    clock, begun_s = StartClock(), time.monotonic()
    try:
        async with asyncio.timeout(_READY_S):
            while not await _is_healthy(port):
                if process.returncode is not None:
                    raise RuntimeError(f"vLLM ended with code {process.returncode}: {_tail(log)}")
                clock.note(_said(log), time.monotonic() - begun_s)
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise RuntimeError(f"vLLM was not ready after {_READY_S:.0f} s: {_tail(log)}") from None
    return start_parts(clock.reached_s, time.monotonic() - begun_s)


async def _is_healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM lets the server end its workers; whoever started this job kills what stays behind."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _said(log: Path) -> str:
    return log.read_text(errors="replace")


def _tail(log: Path) -> str:
    return _said(log)[-_LOG_TAIL_CHARACTERS:]
