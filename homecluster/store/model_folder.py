"""The files of a model folder that an engine needs, and nothing beyond the folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, Final

from homecluster.errors import InputError

WANTED: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.whl")
"""Not `*.bin`: pickles run code when they are read. Wheels lie in no model's folder, but in an engine's."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
MOST_FILES: Final = 2000
_SNAPSHOTS = "snapshots"
_HASH_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    name: str
    size_bytes: int


def is_wanted(name: str) -> bool:
    """Whether a file of this name belongs to a model, and its name is one that any PC can write."""
    return FILE_NAME.fullmatch(name) is not None and any(fnmatchcase(name, p) for p in WANTED)


def model_files(folder: Path) -> tuple[ModelFile, ...]:
    """Files at the top of the folder that an engine reads, by name; links that lead out are left out."""
    found = []
    for path in sorted(folder.iterdir()):
        inner = _inside(folder, path.name) if is_wanted(path.name) else None
        if inner is not None:
            found.append(ModelFile(name=path.name, size_bytes=inner.stat().st_size))
    return tuple(found[:MOST_FILES])


def open_model_file(folder: Path, name: str) -> BinaryIO:
    """A file of the folder, to be read.

    Raises:
        InputError: it is none of the model's files, or it leads out of the folder.
    """
    inner = _inside(folder, name) if is_wanted(name) else None
    if inner is None:
        raise InputError(f"{name[:80]!r} is no file of this model")
    try:
        handle = os.open(inner, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{name} is no file")
    return os.fdopen(handle, "rb")


def sha256_of(file: BinaryIO) -> str:
    """Of the rest of the file."""
    digest = hashlib.sha256()
    while chunk := file.read(_HASH_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _inside(folder: Path, name: str) -> Path | None:
    """Where the file truly is; None when that is outside, or no file.

    The hub's cache keeps contents beside its snapshots, in `blobs` of the same model.
    """
    try:
        root = folder.resolve(strict=True)
        real = (folder / name).resolve(strict=True)
    except OSError:
        return None
    is_snapshot = root.parent.name == _SNAPSHOTS and root.parent.parent.name.startswith("models--")
    allowed = root.parent.parent if is_snapshot else root
    return real if real.is_file() and real.is_relative_to(allowed) else None
