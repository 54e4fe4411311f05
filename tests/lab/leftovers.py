"""What a lab leaves when even its backbone is killed with SIGKILL: an empty shell to sweep up."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import Final

from tests.lab.cgroup import find_cpu_controller, remove_group

PREFIX: Final = "lab-"
LOCK_NAME: Final = "lock"


def remove_leftovers() -> list[Path]:
    """The folders removed: those of labs whose lock nobody holds any more, with their cgroups."""
    controller = find_cpu_controller(Path("/proc/self/mounts").read_text())
    removed = []
    for folder in lab_folders():
        if not _is_dead(folder):
            continue
        if controller is not None:
            remove_group(controller.root / folder.name, patience_s=0.0)
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder)
    return removed


def lab_folders() -> list[Path]:
    """The folders of all labs on this machine, running or not."""
    return sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}????????"))


def _is_dead(folder: Path) -> bool:
    try:
        with (folder / LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return False  # another program's folder, or one that a lab is making now
    return True
