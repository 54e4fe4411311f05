"""State files that a crash at any byte, a full disk or a flipped bit cannot turn into something else."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from homecluster.errors import MissingError
from homecluster.store.files import write_private

MAX_STATE_BYTES = 4 * 1024 * 1024
"""Two hundred members take about 60 KiB."""
_SUM = b"sha256:"


class DamagedError(MissingError):
    """Neither the file nor its backup is one that we wrote."""


def write_checked(path: Path, content: bytes) -> None:
    """Replace `path` at once or not at all, with its checksum as first line; the earlier one stays as `.bak`.

    Raises:
        MissingError: the disk is full or not writable; what was there before is intact.
    """
    _keep_backup(path)
    write_private(path, _SUM + _digest(content) + b"\n" + content)
    _sync_folder(path.parent)


def read_checked(path: Path) -> bytes | None:
    """What was last written; of a damaged file what was written before it; None when there was never one.

    Raises:
        DamagedError: both are damaged; the file was put aside as `.corrupt`.
    """
    backup = _backup(path)
    content = _content(path)
    if content is not None:
        return content
    earlier = _content(backup)
    if earlier is not None:
        return earlier
    if not os.path.lexists(path) and not os.path.lexists(backup):
        return None
    raise DamagedError(
        f"{path} is damaged, and so is its backup",
        hint=f"put a backup there, or move it away to begin anew: mv {path} {path}.corrupt",
    )


def _content(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        text = file.read(MAX_STATE_BYTES + 1)
    head, _, content = text.partition(b"\n")
    is_ours = len(text) <= MAX_STATE_BYTES and head == _SUM + _digest(content)
    return content if is_ours else None


def _keep_backup(path: Path) -> None:
    """Only a whole file becomes the backup: a damaged one must not replace the last good one."""
    if _content(path) is None:
        return
    backup = _backup(path)
    waiting = path.with_name(f".{path.name}.bak.{os.getpid()}")
    try:
        waiting.unlink(missing_ok=True)
        os.link(path, waiting)
        waiting.replace(backup)
    except OSError as error:
        raise MissingError(f"cannot write {backup}: {error.strerror or error}") from error


def _backup(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
