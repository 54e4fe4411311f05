"""What a lab leaves when even its backbone is killed with SIGKILL: an empty shell to sweep up."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final, TextIO

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
    """The folders of all this user's labs on this machine, running or not."""
    found = Path(tempfile.gettempdir()).glob(f"{PREFIX}????????")
    return sorted(each for each in found if _is_ours(each))


def make_lab_folder() -> tuple[Path, TextIO]:
    """A new folder, and its lock: while that is open the folder is no leftover."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (folder / "lock-being-made").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "lock-being-made").rename(folder / LOCK_NAME)  # seen only when it is held
    return folder, lock


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _is_dead(folder: Path) -> bool:
    try:
        with (folder / LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return False  # another program's folder, or one that a lab is making now
    return True
