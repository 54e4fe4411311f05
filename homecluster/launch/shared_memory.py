"""What killed engine processes leave in /dev/shm, which nobody else removes until the next start of the PC."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - looked through for files of named processes
_MAPPED = re.compile(rf"{SHARED_MEMORY}/(\S+)$", re.MULTILINE)
_ENGINE_NAMES: Final = ("psm_", "sem.mp-", "vllm_", "torch_", "nccl-", "deepspeed_")
"""Python's shared memory and semaphores, vLLM's, torch's and DeepSpeed's own, NCCL's; a driver's are not ours."""
_OPENMP_MARK = re.compile(r"__KMP_REGISTERED_LIB_(\d+)_(\d+)")


def files_held_by(pids: Iterable[int]) -> frozenset[Path]:
    """The engine's shared memory files that these processes have mapped."""
    found: set[str] = set()
    for pid in pids:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            continue
        found.update(name for name in _MAPPED.findall(maps) if name.startswith(_ENGINE_NAMES))
    return frozenset(SHARED_MEMORY / name for name in found)


def remove_left(held: Iterable[Path], folder: Path = SHARED_MEMORY) -> None:
    """Delete what dead processes held, and the marks of dead processes that used Intel's OpenMP.

    A mark is a file of one kilobyte named after a process; one of a living process stays.
    """
    for path in held:
        path.unlink(missing_ok=True)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        mark = _OPENMP_MARK.fullmatch(path.name)
        if mark and int(mark[2]) == os.getuid() and not _lives(int(mark[1])):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    """Whether it runs; one that ended and whose parent has not asked for its status does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
