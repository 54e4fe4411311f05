"""Starting a process that outlives this command, or ends with it, as asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start_detached(module: str, folder: Path, log: Path, *, tied: bool) -> subprocess.Popen[bytes]:
    """Run `python -m module folder` in a session of its own, its words in `log`.

    While `tied` it ends when this process does: then nobody holds the other end of its standard input.
    """
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            (sys.executable, "-m", module, str(folder)),
            stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    finally:
        os.close(output)
