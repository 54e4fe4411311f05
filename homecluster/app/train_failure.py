"""What a training that ended badly is called: its own words, its exit code, and what can be done."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Final

from homecluster.errors import HomeclusterError, InputError, LaunchError, MissingError
from homecluster.launch.engine_tool import Finished

DELIBERATE: Final[dict[int, type[HomeclusterError]]] = {2: InputError, 3: MissingError}
"""Exit codes by which ranks say that the data is wrong, or that the disk is full."""
_NO_MEMORY: Final = ("out of memory", "can't allocate memory", "cannot allocate memory")
_SMALLER: Final = (
    "use a shorter --sequence, --method lora, or a smaller --memory-utilization, "
    "which plans smaller micro-batches."
)


def reason_of(ended: Finished) -> str:
    """The last error that was said; of ranks that were killed, by what."""
    if ended.code < 0:
        name = signal.Signals(-ended.code).name
        return f"its ranks were killed ({name}): by someone, or by the kernel for lack of memory"
    said = [line.strip() for line in ended.said if line.strip()]
    return (_after("error: ", ended.said) or said or ["no word why"])[-1]


def failure_of(ended: Finished) -> HomeclusterError:
    """Says what to do where the ranks said it, or where memory ran out."""
    kind = DELIBERATE.get(ended.code, LaunchError)
    reason = reason_of(ended)
    message = reason if _after("error: ", ended.said) else f"training failed: {reason}"
    hints = _after("hint: ", ended.said)
    return kind(message, hint=hints[-1] if hints else _advice(ended))


def _advice(ended: Finished) -> str | None:
    short = any(words in line.lower() for line in ended.said for words in _NO_MEMORY)
    return _SMALLER if short or ended.code == -signal.SIGKILL else None


def _after(mark: str, said: Sequence[str]) -> list[str]:
    lines = [line.strip() for line in said]
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]
