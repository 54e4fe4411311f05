"""Where a loaded model's weights lie, what they cost this process in memory, and whether it could change them."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Mapping(NamedTuple):
    """A line of /proc/self/smaps with what belongs to it."""

    first: int
    last: int
    shared: bool
    """Of a file below /dev/shm, say, and not this process's own."""
    proportional_bytes: int
    """A page that n processes have counts for each of them by its n-th part."""


def weight_mappings(model: Any) -> list[Mapping]:
    """Where the weights lie."""
    spans = [
        (p.data_ptr(), p.data_ptr() + p.numel() * p.element_size()) for p in model.parameters()
    ]
    first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
    return [one for one in _mappings() if one.first < last and first < one.last]


def _mappings() -> Iterator[Mapping]:
    head: list[str] = []
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if name == "Pss:":
            first, last = (int(edge, 16) for edge in head[0].split("-"))
            yield Mapping(first, last, head[1][3] == "s", int(rest[0]) * 1024)
        elif not name.endswith(":"):
            head = [name, *rest]


def is_unchangeable(model: Any) -> bool:
    """Both fences hold: torch's own, and the write protection behind it."""
    return _refused(model) and ends_by_signal(lambda: _change(model))


def _refused(model: Any) -> bool:
    """Whether torch refuses to change the weights in place."""
    try:
        next(iter(model.parameters())).add_(1)
    except RuntimeError:
        return True
    return False


def _change(model: Any) -> None:
    """Past torch's own check."""
    next(iter(model.parameters())).data.view(-1)[:1].add_(1)


def ends_by_signal(act: Callable[[], None]) -> bool:
    """Whether a child process that does it is ended by the write protection."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV


def own_bytes() -> int:
    """Memory that is this process's alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
