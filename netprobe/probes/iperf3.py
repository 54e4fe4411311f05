"""Throughput by the real iperf3: a one-off server on the far side, a client here, a hard deadline on both."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netprobe.probes.fence import fenced
from netprobe.probes.iperf3_parse import Iperf3Run, failure_kind, parse, parse_version
from netprobe.probes.ports import SockAddr, family_of, same_host, with_port
from netprobe.probes.process import Finished, finished, started
from netprobe.probes.trouble import ProbeError, from_os_error
from netprobe.types import FailureKind

SAMPLE_S: Final = 0.1
START_S: Final = 1.0
"""Connecting and exchanging parameters and results, beyond the run itself."""
_TABLES: Final = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_GRACE_S: Final = 3.0
_LISTEN_WAIT_S: Final = 1.0
_LISTEN_TRIES: Final = 3
INSTALL_HINT: Final = (
    "install iperf3 (Debian, Ubuntu, WSL2: `sudo apt install iperf3`; Fedora: `sudo dnf install iperf3`; "
    "macOS: `brew install iperf3`); 3.12 works, 3.22 or newer is the safe one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A listening one-off server; `run` waits for its end and gives its view."""

    port: int
    process: asyncio.subprocess.Process
    peer: SockAddr

    async def run(self, timeout_s: float) -> Iperf3Run:
        """Raises ProbeError when it failed or when a stranger took the one connection."""
        seen = _checked(await finished(self.process, timeout_s))
        if seen.accepted_from and not same_host(
            (seen.accepted_from.removeprefix("::ffff:"),), self.peer
        ):
            raise ProbeError(
                FailureKind.BUSY,
                f"a stranger ({seen.accepted_from}) took the one-off iperf3 server",
            )
        return seen


async def version() -> str | None:
    """Of the iperf3 on PATH; None without one."""
    if shutil.which("iperf3") is None:
        return None
    with contextlib.suppress(ProbeError):
        async with started(("iperf3", "--version")) as process:
            return parse_version((await finished(process, 2.0)).stdout)
    return None


@contextlib.asynccontextmanager
async def server(local: SockAddr, peer: SockAddr) -> AsyncIterator[Server]:
    """A one-off server on the address of the control connection, listening; gone on leaving.

    Raises:
        ProbeError: tool_missing, port_taken, tool_failed.
    """
    for attempt in range(_LISTEN_TRIES):
        port = _free_port(local)
        async with contextlib.AsyncExitStack() as stack:
            process = await stack.enter_async_context(started(_server_argv(local, port)))
            if await _listening(process, port):
                await stack.enter_async_context(fenced(port, peer))
                yield Server(port=port, process=process, peer=peer)
                return
            if attempt == _LISTEN_TRIES - 1:
                _checked(await finished(process, _LISTEN_WAIT_S))
    raise ProbeError(FailureKind.TOOL_FAILED, "the iperf3 server did not begin to listen")


def _server_argv(local: SockAddr, port: int) -> tuple[str, ...]:
    return (
        *("iperf3", "-s", "-1", "-J", "-B", str(local[0]), "-p", str(port)),
        *("-i", str(SAMPLE_S), "--idle-timeout", "5"),
    )


async def client(local: SockAddr, remote: SockAddr, *, duration_s: float, back: bool) -> Iperf3Run:
    """This end's view of one TCP run; `back` lets the far side send.

    Raises:
        ProbeError: what its "error" says (its exit code says nothing under -J), or timed_out.
    """
    seconds = max(1, round(duration_s))
    argv = (
        *("iperf3", "-c", str(remote[0]), "-p", str(remote[1]), "-B", str(local[0]), "-J"),
        *("-t", str(seconds), "-i", str(SAMPLE_S), "--connect-timeout", "3000"),
        *(("-R",) if back else ()),
    )
    async with started(argv) as process:
        seen = _checked(await finished(process, seconds + _GRACE_S))
    if not seen.rates_bytes_per_s and seen.received_bytes_per_s is None:
        raise ProbeError(FailureKind.TOOL_FAILED, "iperf3: its output has no figures")
    return seen


def _checked(done: Finished) -> Iperf3Run:
    seen = parse(done.stdout)
    if seen.error is not None:
        said = seen.error if done.stdout.strip() else done.stderr.strip()[:300] or seen.error
        raise ProbeError(failure_kind(said), f"iperf3: {said}")
    return seen


def _free_port(local: SockAddr) -> int:
    """A port that was free a moment ago; the server's start says if it still is."""
    with socket.socket(family_of(local), socket.SOCK_STREAM) as tried:
        try:
            tried.bind(with_port(local, 0))
        except OSError as error:
            raise from_os_error(error, "choosing a port for iperf3") from error
        port = tried.getsockname()[1]
        assert isinstance(port, int)
        return port


async def _listening(process: asyncio.subprocess.Process, port: int) -> bool:
    """Whether it listens, seen without connecting: a connection would be its one client."""
    until = time.monotonic() + _LISTEN_WAIT_S
    while time.monotonic() < until and process.returncode is None:
        if _has_listener(port):
            return True
        await asyncio.sleep(0.01)
    return process.returncode is None and not _TABLES[0].exists()


def _has_listener(port: int) -> bool:
    """Reads the kernel's socket tables: local address in column 1, state 0A is LISTEN in column 3."""
    wanted = f":{port:04X}"
    for table in _TABLES:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[1].endswith(wanted) and columns[3] == "0A":
                    return True
    return False
