"""Reading a secret that the user keeps in a file or pipes in; it never stands on a command line."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from homecluster.errors import InputError

MAX_BYTES = 4096


def read_secret(file: Path, what: str, limit_bytes: int = MAX_BYTES) -> str:
    """The text of the file, or of standard input for `-`.

    Raises:
        InputError: it cannot be read, is no file, or others on this PC may read it.
    """
    if str(file) == "-":
        return sys.stdin.read(limit_bytes).strip()
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # a device or a pipe may never end
            raise InputError(f"the {what} file {file} is no file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise InputError(
                f"others on this PC may read the {what} file {file}", hint=f"chmod 600 {file}"
            )
        with file.open("rb") as opened:
            return opened.read(limit_bytes).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot read the {what} file {file}: {told}") from error
