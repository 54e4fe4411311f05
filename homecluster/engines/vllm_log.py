"""What vLLM's log says: which phase of the start it is in, and why it failed."""

from __future__ import annotations

import re
from typing import Final

LAST_PHASE: Final = "waiting for the first token"
"""The last phase of a start: the server answers."""

_PHASES: Final = (
    ("Initializing a V1 LLM engine", "starting the engine"),
    ("distributed_init_method=", "building process groups"),
    ("Starting to load model", "loading weights"),
    ("Loading weights took", "preparing memory"),
    ("Warming up model for the compilation", "compiling"),
    ("torch.compile takes", "preparing memory"),
    ("KV cache size", "warming up"),
    ("Capturing CUDA graphs", "capturing CUDA graphs"),
    ("Application startup complete", LAST_PHASE),
)
"""(what a line holds, the phase that begins there); read in vLLM 0.32."""

_PREFIX = re.compile(
    r"^(\([^)]*pid=\d+\) )?((ERROR|WARNING|INFO|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?"
)
_ERROR = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exhausted|Interrupt)\b: .+")
_USAGE = re.compile(r"^\S+: error: .+")
_WRAPPERS: Final = (
    "Engine core initialization failed",
    "Failed core proc",
    "WorkerProc initialization failed",
)
"""Errors that only say that another process had one."""


def phase_of(line: str) -> str | None:
    """The phase of the start that begins with this line; None for any other line."""
    return next((phase for mark, phase in _PHASES if mark in line), None)


def cause_of(lines: tuple[str, ...]) -> str | None:
    """The first error that is not just the echo of another process's; None when there is none.

    The process that met the trouble speaks first; the server and the engine core repeat it.
    """
    said = [_PREFIX.sub("", line).strip() for line in lines]
    errors = [line for line in said if _ERROR.match(line) or _USAGE.match(line)]
    own = [line for line in errors if not any(wrapper in line for wrapper in _WRAPPERS)]
    return next(iter(own or errors), None)
