"""Running a tool with a hard deadline, so that nothing of it outlives the measurement or this process."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

_MAX_OUTPUT_BYTES: Final = 8 * 1024 * 1024
_REAP_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    code: int
    stdout: str
    stderr: str


def tied_to_us(argv: Sequence[str]) -> tuple[str, ...]:
    """The same command, killed by the kernel when this process dies, where util-linux is there to arrange it."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", *argv) if setpriv else tuple(argv)


@contextlib.asynccontextmanager
async def started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    stdin: int = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running tool; killed and reaped on leaving, whatever the reason.

    Raises:
        ProbeError: tool_missing.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *tied_to_us(argv),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_MAX_OUTPUT_BYTES,
            env=env,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
        )
    except OSError as error:
        raise ProbeError(
            FailureKind.TOOL_MISSING, f"cannot start {argv[0]}: {error.strerror}"
        ) from error
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _REAP_S)


async def finished(process: asyncio.subprocess.Process, timeout_s: float) -> Finished:
    """Its code and output.

    Raises:
        ProbeError: timed_out; the caller's `started` then kills it.
    """
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await asyncio.gather(_all(process.stdout), _all(process.stderr))
            code = await process.wait()
    except TimeoutError as error:
        raise ProbeError(
            FailureKind.TIMED_OUT, f"the tool did not end within {timeout_s:.1f} s"
        ) from error
    return Finished(code=code, stdout=stdout, stderr=stderr)


async def _all(stream: asyncio.StreamReader | None) -> str:
    """At most _MAX_OUTPUT_BYTES of it; the rest is read and dropped, so that the tool can end."""
    assert stream is not None
    kept = bytearray()
    while part := await stream.read(65536):
        kept += part[: _MAX_OUTPUT_BYTES - len(kept)]
    return kept.decode(errors="replace")
