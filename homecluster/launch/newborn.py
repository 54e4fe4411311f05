"""Which process is a supervisor that was just started, and has written nothing into its folder yet."""

from __future__ import annotations

from pathlib import Path

import psutil

from homecluster.launch.identity import ProcessIdentity, identity_of


def newborn(folder: Path) -> ProcessIdentity | None:
    """Known by how `start.start_detached` starts it: `-m MODULE FOLDER`."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if words[-3:-2] == ["-m"] and words[-1] == str(folder):
            return identity_of(process.pid)
    return None
