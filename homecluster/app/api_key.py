"""Reading the API key that guards a server beyond loopback."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from homecluster.errors import InputError

MIN_CHARACTERS = 16
MAX_BYTES = 4096
_KEY = re.compile(r"[\x21-\x7e]+")


def read_api_key(path: str | None) -> str | None:
    """The key in the file's first line; None without a file.

    Raises:
        InputError: the file cannot be read, others may read it, or it holds no usable key.
    """
    if path is None:
        return None
    file = Path(path)
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # a device or a pipe may never end
            raise InputError(f"the API key file {path} is no file")
        if stat.S_IMODE(mode) & 0o077:
            raise InputError(
                f"others on this PC may read the API key file {path}", hint=f"chmod 600 {path}"
            )
        with file.open("rb") as opened:
            key = opened.read(MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot read the API key file {path}: {told}") from error
    if len(key) < MIN_CHARACTERS or not _KEY.fullmatch(key):
        raise InputError(
            f"{path} holds no usable API key: one line of at least {MIN_CHARACTERS} printable characters",
            hint=f"openssl rand -hex 24 > {path}; chmod 600 {path}",
        )
    return key
