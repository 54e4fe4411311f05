"""What was typed: hosts with ports, token files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from netprobe.errors import InputError
from netprobe.types import DEFAULT_PORT

_TOKEN_MIN_BYTES: Final = 8
_TOKEN_MAX_BYTES: Final = 4096
_PORT_MAX: Final = 65_535


def read_token(path: Path | None) -> bytes | None:
    """The token in a file, white space around it dropped; None without a file.

    Raises:
        InputError: not readable, empty, too short to be a secret, or readable by other users.
    """
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(_TOKEN_MAX_BYTES + 1).strip()
    except OSError as error:
        raise InputError(f"cannot read token file {path}: {error.strerror or error}") from error
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(
            f"token file {path} can be read by other users of this PC",
            hint=f"chmod 600 {path}",
        )
    if not _TOKEN_MIN_BYTES <= len(token) <= _TOKEN_MAX_BYTES:
        raise InputError(
            f"token file {path} must hold {_TOKEN_MIN_BYTES} to {_TOKEN_MAX_BYTES} bytes, it holds {len(token)}",
            hint="make one with: (umask 077; head -c 24 /dev/urandom | base64 > token)",
        )
    return token


def parse_host(text: str) -> tuple[str, int]:
    """(host, port) of HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address.

    Raises:
        InputError: no host, or no port from 1 to 65535.
    """
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else str(DEFAULT_PORT)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, str(DEFAULT_PORT)
    if not host or any(letter.isspace() for letter in host):
        raise InputError(f"{text!r} names no host", hint="write HOST, HOST:PORT or [IPv6]:PORT")
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _PORT_MAX):
        raise InputError(f"{text!r}: the port must be a whole number from 1 to {_PORT_MAX}")
    return host, int(port)
