"""Reading and writing small files so that a crash or a full disk never leaves half of one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from homecluster.errors import InputError, MissingError

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""Far beyond any real cluster document or config.json; a larger file is a mistake or an attack."""


def private_folder(path: Path) -> None:
    """Make `path` and what is missing above it, 0700 each; `Path.mkdir` gives its mode to the last only."""
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` at once or not at all; directories 0700, the file 0600.

    Raises:
        MissingError: the disk is full or not writable; what was there before is intact.
    """
    try:
        private_folder(path.parent)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - Path.replace is the same call, this one names the atom
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MissingError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free some disk space there, or choose a folder that you can write; HOMECLUSTER_HOME moves homecluster's own.",
        ) from error


def write_json(path: Path, document: object) -> None:
    """Write a document as `write_private` does."""
    write_private(path, (json.dumps(document, indent=2) + "\n").encode())


def read_text(path: Path, what: str) -> str:
    """The text of a user's file.

    Raises:
        InputError: it is not there, not a file, too large or not UTF-8; names the path.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a {what}")
        # Without O_NONBLOCK, a pipe that nobody writes to is waited for; with it, it is empty.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            os.set_blocking(handle, True)
            # Bounded here, since a pipe or a device does not tell its size.
            content = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise InputError(
                f"{path} is larger than any {what} ({MAX_DOCUMENT_BYTES // 1024**2} MiB at most)"
            )
        return content.decode("utf-8-sig").replace("\r\n", "\n")  # as Windows editors save it too
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a {what}: it is not UTF-8 text") from error
    except OSError as error:
        raise InputError(
            f"cannot read {what} {path}: {error.strerror or error}",
            hint=f"it is looked for in {path.absolute().parent}",
        ) from error
    except ValueError as error:
        raise InputError(f"cannot read {what} {path}: {error}") from error


def read_json(path: Path, what: str) -> Any:
    """The value of a user's JSON file, whatever its shape.

    Raises:
        InputError: as `read_text`, or not JSON, or nested absurdly; names the place.
    """
    return parse_json(read_text(path, what), f"{what} {path}")


def parse_json(text: str, what: str) -> Any:
    """The value of a JSON text.

    Raises:
        InputError: not JSON, NaN or infinite numbers, or nested too deep for a real document.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InputError(f"{what} is nested too deep") from error
    except ValueError as error:
        raise InputError(f"{what} is not valid JSON: {error}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
