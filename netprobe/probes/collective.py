"""The engine's own all-reduce between two hosts: our script run by the engine's Python on both."""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netprobe.probes.interface import interface_of
from netprobe.probes.ports import SockAddr
from netprobe.probes.process import Finished, finished, started
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

LIMIT_S: Final = 45.0
"""Importing torch on a slow PC takes ten seconds; the sizes themselves take two on a good link."""
_SCRIPT: Final = Path(__file__).parents[1] / "jobs" / "all_reduce.py"
_ERROR_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AllReduce:
    """`backend` is gloo or nccl; message bytes -> seconds of each all-reduce."""

    backend: str
    curve: dict[int, tuple[float, ...]]


async def run(
    python: Path,
    local: SockAddr,
    store: SockAddr,
    *,
    listener: socket.socket | None,
    limit_s: float,
) -> AllReduce:
    """This side's part: with a `listener` rank 0, which serves the store on it, else rank 1, which dials.

    Raises:
        ProbeError: tool_missing when that Python has no torch, tool_failed, timed_out.
    """
    fds = () if listener is None else (listener.fileno(),)
    argv = (
        *(str(python), "-I", str(_SCRIPT), "--rank", "1" if listener is None else "0"),
        *("--address", str(store[0]), "--port", str(store[1]), "--limit-s", str(limit_s)),
        *(("--listen-fd", str(fds[0])) if fds else ()),
    )
    interface = interface_of(str(local[0]))
    environment = dict(os.environ)
    if interface is not None:
        environment["GLOO_SOCKET_IFNAME"] = interface.name
        environment["NCCL_SOCKET_IFNAME"] = f"={interface.name}"
    async with started(argv, env=environment, pass_fds=fds) as process:
        return parse(await finished(process, limit_s))


def parse(done: Finished) -> AllReduce:
    """What the script printed.

    Raises:
        ProbeError: it printed no result; carries the last line of its error.
    """
    if "No module named 'torch'" in done.stderr:
        raise ProbeError(FailureKind.TOOL_MISSING, "the engine's Python has no torch")
    try:
        result = json.loads(done.stdout.strip().rpartition("\n")[2])
        backend = result["backend"]
        curve = {
            int(size): tuple(_seconds(one) for one in times)
            for size, times in result["curve"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        told = (done.stderr.strip().rpartition("\n")[2] or repr(error))[:_ERROR_CHARS]
        raise ProbeError(FailureKind.TOOL_FAILED, f"the all-reduce failed: {told}") from error
    if backend not in ("gloo", "nccl"):
        raise ProbeError(FailureKind.TOOL_FAILED, "the all-reduce printed no backend")
    return AllReduce(backend=backend, curve=curve)


def _seconds(value: object) -> float:
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise ValueError("not a duration")
    return value
