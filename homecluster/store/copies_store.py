"""What lies in the folder of a job of several copies: the copies, and how each one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.errors import HomeclusterError, InputError
from homecluster.store.files import read_json, write_json
from homecluster.store.job_store import JobFolder

SCHEMA = "homecluster.copies/1"
NOW_SCHEMA = "homecluster.copies-now/1"
_COPIES = "copies.json"
_NOW = "copies-now.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedCopy:
    """One copy of the job."""

    name: str
    """The PC's, with a number where a PC runs several."""
    node: NodeId
    is_here: bool
    """On the PC that routes: it needs no agent."""
    order: Mapping[str, Any]
    """As the PC is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    copies: tuple[OrderedCopy, ...]
    fewer: bool
    """Go on when some of them fail to start."""
    silent_s: float
    """A copy that owes an answer may send nothing for so long."""


def write_copies(folder: JobFolder, copies: Copies) -> None:
    document = {
        "schema": SCHEMA,
        "fewer": copies.fewer,
        "silent_s": copies.silent_s,
        "copies": [
            {"name": one.name, "node": one.node, "is_here": one.is_here, "order": dict(one.order)}
            for one in copies.copies
        ],
    }
    write_json(folder.path / _COPIES, document)


def has_copies(folder: JobFolder) -> bool:
    """Whether the job is one of several copies behind one address."""
    return (folder.path / _COPIES).is_file()


def read_copies(folder: JobFolder) -> Copies:
    """What `write_copies` wrote.

    Raises:
        InputError: the file is damaged.
    """
    path = folder.path / _COPIES
    document: Any = read_json(path, "copies of a job")
    try:
        if document.pop("schema") != SCHEMA:
            raise InputError(f"{path} is not a {SCHEMA} document")
        copies = tuple(
            OrderedCopy(**one | {"node": NodeId(one["node"])}) for one in document.pop("copies")
        )
        return Copies(copies=copies, **document)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def write_now(folder: JobFolder, copies: Sequence[Mapping[str, Any]]) -> None:
    """Keep how the copies are; a full disk must not end a job that runs."""
    try:
        write_json(folder.path / _NOW, {"schema": NOW_SCHEMA, "copies": [dict(c) for c in copies]})
    except HomeclusterError:
        return


def read_now(folder: JobFolder) -> tuple[Mapping[str, Any], ...]:
    """How the copies were when that last changed; none when nothing was written yet."""
    try:
        document = read_json(folder.path / _NOW, "state of a job's copies")
        return tuple(document["copies"])
    except (InputError, KeyError, TypeError):
        return ()
