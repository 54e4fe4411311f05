"""Model folders of this PC that its user launched in the cluster, and whose files other members may copy."""

from __future__ import annotations

import hashlib
from pathlib import Path

from homecluster.errors import InputError
from homecluster.store.files import read_json, write_json
from homecluster.store.paths import Paths

SCHEMA = "homecluster.offer/1"


def offer(paths: Paths, name: str, folder: Path) -> None:
    """Let members copy the files of this model folder under its name."""
    document = {"schema": SCHEMA, "name": name, "folder": str(folder.absolute())}
    write_json(_file(paths, name), document)


def offered_folder(paths: Paths, name: str) -> Path:
    """The folder that is offered under this name.

    Raises:
        InputError: none is, or it is gone.
    """
    file = _file(paths, name)
    if file.is_file():
        document = read_json(file, "model offer")
        folder = Path(str(document.get("folder")))
        if document.get("name") == name and folder.is_dir():
            return folder
    raise InputError(f"this PC offers no files of {name[:80]!r}")


def _file(paths: Paths, name: str) -> Path:
    return paths.home / "offers" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
