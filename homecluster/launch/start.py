"""Starting a process that outlives this command, or ends with it, as asked."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Started:
    """A supervisor; while `tied`, it ends when this object's process does."""

    process: subprocess.Popen[bytes]

    def let_go(self) -> None:
        """Close our end of the line: a tied supervisor stops its job."""
        if self.process.stdin is not None:
            self.process.stdin.close()


def start_detached(module: str, folder: Path, log: Path, *, tied: bool) -> Started:
    """Run `python -m module folder` in a session of its own, its words in `log`."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            (sys.executable, "-m", module, str(folder)),
            stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    finally:
        os.close(output)
    return Started(process)
