"""What a job that spans several PCs keeps in its folder: which PC runs what, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.ids import NodeId
from homecluster.engines.vllm_gang_document import order_document, read_order
from homecluster.engines.vllm_gang_order import ShareOrder
from homecluster.errors import InputError
from homecluster.store.files import read_json, write_json, write_private
from homecluster.store.job_store import JobFolder

SCHEMA = "homecluster.gang/1"
_FILE = "gang.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One PC's share."""

    node: NodeId
    """As the cluster's members are asked for."""
    name: str
    """As people call that PC."""
    order: ShareOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class GangRecord:
    """Decided before the start; never changes."""

    parts: tuple[Part, ...]
    """By share."""
    forwards: bool
    """The API is on another PC: this one passes connections on."""


def write_gang(folder: JobFolder, record: GangRecord) -> None:
    write_json(
        folder.path / _FILE,
        {
            "schema": SCHEMA,
            "forwards": record.forwards,
            "parts": [
                {"node": part.node, "name": part.name, "order": order_document(part.order)}
                for part in record.parts
            ],
        },
    )


def is_gang(folder: JobFolder) -> bool:
    return (folder.path / _FILE).is_file()


def read_gang(folder: JobFolder) -> GangRecord:
    """What `write_gang` wrote.

    Raises:
        InputError: the file is damaged or of another version.
    """
    path = folder.path / _FILE
    document = read_json(path, "gang file")
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{path} is not a {SCHEMA} document")
    try:
        return GangRecord(
            parts=tuple(
                Part(node=NodeId(one["node"]), name=one["name"], order=read_order(one["order"]))
                for one in document["parts"]
            ),
            forwards=document["forwards"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}") from error


def write_token(folder: JobFolder, name: str, token: str) -> None:
    """Keep a secret of all shares, for the job's leader alone."""
    write_private(folder.path / name, token.encode())


def read_token(folder: JobFolder, name: str) -> str:
    """What `write_token` kept."""
    return (folder.path / name).read_text()
