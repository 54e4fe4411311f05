"""Which folders this PC lets which members copy, and until when."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from homecluster.app.jobs import leader_lives
from homecluster.domain.ids import NodeId
from homecluster.errors import InputError, MissingError
from homecluster.store.files import read_json, write_json
from homecluster.store.job_store import JobFolder
from homecluster.store.paths import Paths

SCHEMA: Final = "homecluster.offer/2"
LAUNCH_WITHIN_S: Final = 600.0
"""An offer is made before its job begins; from then on it lasts as long as the job."""
_changing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    name: str
    folder: Path
    to: tuple[NodeId, ...]
    """Members that may copy it; each is struck off once it has everything."""
    job: str | None
    """It needs the files: the offer ends with it."""
    until_s: float
    """Since the epoch; without a job it ends then."""
    is_made_for_it: bool = False
    """The folder is a copy, deleted with the offer."""


def offer(paths: Paths, one: Offer) -> None:
    """Let these members copy the folder; an earlier offer of the same name and job is replaced."""
    _forget_over(paths)
    document = {
        "schema": SCHEMA, "name": one.name, "folder": str(one.folder.absolute()), "to": list(one.to),
        "job": one.job, "until_s": one.until_s, "is_made_for_it": one.is_made_for_it,
    }  # fmt: skip
    write_json(_file(paths, one), document)


def add_taker(paths: Paths, one: Offer) -> None:
    """As `offer`, but who may copy it already still may."""
    with _changing:
        before = [kept.to for kept in _named(paths, one.name) if kept.job == one.job]
        offer(paths, replace(one, to=tuple(dict.fromkeys((*one.to, *sum(before, ()))))))


def own_folder(paths: Paths, name: str) -> Path:
    """What a job of this PC means by the name of a folder that it offers.

    Raises:
        InputError: no offer of that name lasts, or its folder is gone.
    """
    return _first(name, _named(paths, name))


def folder_for(paths: Paths, name: str, asker: NodeId) -> Path:
    """The folder that this member may copy now.

    Raises:
        InputError: none is offered to it by that name, or not any more.
    """
    return _first(name, (one for one in _named(paths, name) if asker in one.to))


def strike_off(paths: Paths, name: str, asker: NodeId) -> None:
    """The member has everything; what was made for the offer goes when nobody is left to copy it."""
    with _changing:
        for one in _named(paths, name):
            left = replace(one, to=tuple(node for node in one.to if node != asker))
            if left.to or left.job:
                offer(paths, left)
            else:
                _end(paths, left)


def _first(name: str, offers: Iterable[Offer]) -> Path:
    for one in offers:
        if one.folder.is_dir():
            return one.folder
    raise InputError(f"this PC offers no files of {name[:80]!r} to who asks, or not any more")


def _named(paths: Paths, name: str) -> tuple[Offer, ...]:
    """The newest first."""
    lasting = (one for one in _all(paths) if one.name == name and _lasts(paths, one))
    return tuple(sorted(lasting, key=lambda one: -one.until_s))


def _lasts(paths: Paths, one: Offer) -> bool:
    if time.time() < one.until_s:
        return True
    return one.job is not None and leader_lives(JobFolder(path=paths.jobs / one.job))


def _forget_over(paths: Paths) -> None:
    for one in _all(paths):
        if not _lasts(paths, one):
            _end(paths, one)


def _end(paths: Paths, one: Offer) -> None:
    _file(paths, one).unlink(missing_ok=True)
    if one.is_made_for_it:
        shutil.rmtree(one.folder, ignore_errors=True)


def _all(paths: Paths) -> tuple[Offer, ...]:
    found = []
    for file in sorted(_folder(paths).glob("*.json")):
        try:
            found.append(_read(read_json(file, "offer")))
        except (InputError, MissingError, KeyError, TypeError, ValueError):
            continue  # damaged, of an older version, or just deleted: it offers nothing
    return tuple(found)


def _read(document: Any) -> Offer:
    if document["schema"] != SCHEMA:
        raise ValueError(SCHEMA)
    return Offer(
        name=str(document["name"]),
        folder=Path(document["folder"]),
        to=tuple(NodeId(str(node)) for node in document["to"]),
        job=None if document["job"] is None else str(document["job"]),
        until_s=float(document["until_s"]),
        is_made_for_it=document["is_made_for_it"] is True,
    )


def _folder(paths: Paths) -> Path:
    return paths.home / "offers"


def _file(paths: Paths, one: Offer) -> Path:
    key = f"{one.name}\n{one.job or ''}"
    return _folder(paths) / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
