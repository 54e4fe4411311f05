"""What a PC answers members who copy a model's files from it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from homecluster.app.offers import folder_for, strike_off
from homecluster.domain.ids import NodeId
from homecluster.domain.order_reader import number, text
from homecluster.engines.vllm_gang_document import MODEL
from homecluster.store.model_folder import FILE_NAME, model_files, open_model_file, sha256_of
from homecluster.store.paths import Paths

CHUNK_BYTES: Final = 512 * 1024
"""In base64 it stays below the 1 MiB that an answer may have."""
_MOST_BYTES = 2**50

Body = Mapping[str, Any]


def listed(paths: Paths, asker: NodeId, body: Body) -> dict[str, Any]:
    """The files of an offered model, with their sizes.

    Raises:
        InputError: no such model is offered.
    """
    folder = folder_for(paths, text(body, "model", MODEL), asker)
    return {"files": [{"name": f.name, "bytes": f.size_bytes} for f in model_files(folder)]}


def read(paths: Paths, asker: NodeId, body: Body) -> dict[str, Any]:
    """A chunk of one file.

    Raises:
        InputError: no such model or file is offered.
    """
    folder = folder_for(paths, text(body, "model", MODEL), asker)
    with open_model_file(folder, text(body, "file", FILE_NAME)) as file:
        file.seek(number(body, "offset", 0, _MOST_BYTES))
        chunk = file.read(CHUNK_BYTES)
    return {"data": base64.b64encode(chunk).decode()}


def digest(paths: Paths, asker: NodeId, body: Body) -> dict[str, Any]:
    """The SHA-256 of one file; reads it whole, once.

    Raises:
        InputError: no such model or file is offered.
    """
    folder = folder_for(paths, text(body, "model", MODEL), asker)
    name = text(body, "file", FILE_NAME)
    with open_model_file(folder, name) as file:
        changed_ns = (folder / name).stat().st_mtime_ns
        size_bytes = file.seek(0, 2)
    return {"sha256": _digest(folder, name, changed_ns, size_bytes)}


def done(paths: Paths, asker: NodeId, body: Body) -> dict[str, Any]:
    """The member has every file: it may copy them no more."""
    strike_off(paths, text(body, "model", MODEL), asker)
    return {}


@lru_cache(maxsize=4096)
def _digest(folder: Path, name: str, changed_ns: int, size_bytes: int) -> str:
    del changed_ns, size_bytes  # part of the key: a file that changed is read again
    with open_model_file(folder, name) as file:
        return sha256_of(file)
