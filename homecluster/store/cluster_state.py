"""What this PC knows of the cluster it belongs to: who is pinned, which tokens wait, where the coordinator is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, MissingError
from homecluster.store.checked_file import DamagedError, read_checked, write_checked

SCHEMA = "homecluster.cluster-state/1"
MAX_ADDRESSES = 16
"""Remembered places of the coordinator, the last good one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A member by its key: whoever holds that key is that member."""

    node: NodeId
    key_sha256: str
    """Of the public key (SubjectPublicKeyInfo, DER), hex."""
    role: Role
    added_at: str
    """UTC, ISO 8601; for people only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingToken:
    """A join token that was given out; its secret is known to the joiner alone."""

    token_id: str
    secret_sha256: str
    role: Role
    boot_id: str
    expires_boottime_s: float
    """On CLOCK_BOOTTIME of that boot: a wall clock may jump by a year, and a restart ends every token."""
    used_by_key_sha256: str | None = None
    """The one key that it admitted; the same PC may ask again when the answer was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The part that both kinds of PC keep; `pins` and `tokens` are the coordinator's alone."""

    cluster_id: str
    name: str
    """The PC that made the cluster, for people."""
    cluster_key_sha256: str
    """The pin in every token."""
    node: NodeId
    """This PC."""
    role: Role
    is_coordinator: bool
    epoch: int
    """Grows when another PC takes over; a coordinator with a lower one is refused."""
    interface: str | None
    """Chosen with --interface; None: the first real one."""
    port: int
    """Where the coordinator listens."""
    addresses: tuple[tuple[str, int], ...] = ()
    """Where the coordinator was reached, the last good one first."""
    pins: tuple[Pin, ...] = ()
    revoked: tuple[str, ...] = ()
    """key_sha256 of PCs that were put out, so that they can be told why."""
    tokens: tuple[WaitingToken, ...] = ()


def write_state(path: Path, state: ClusterState) -> None:
    """Keep it, as `write_checked` does."""
    document = {"schema": SCHEMA} | asdict(state)
    write_checked(path, (json.dumps(document, indent=1) + "\n").encode())


def read_state(path: Path) -> ClusterState | None:
    """What was kept; None when this PC is in no cluster.

    Raises:
        DamagedError: nothing that we wrote can be read there.
        MissingError: a newer homecluster wrote it.
    """
    content = read_checked(path)
    if content is None:
        return None
    try:
        return state_from(json.loads(content), str(path))
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from error


def state_from(document: Any, where: str) -> ClusterState:
    """The state in a document.

    Raises:
        InputError: the document is not one.
        MissingError: a newer homecluster wrote it.
    """
    if not isinstance(document, dict):
        raise InputError(f"{where} is not a {SCHEMA} document")
    schema = document.get("schema")
    if schema != SCHEMA:
        raise MissingError(
            f"{where} is of another version ({str(schema)[:60]!r}, this homecluster writes {SCHEMA})",
            hint="upgrade homecluster on this PC.",
        )
    try:
        return _state(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where} is damaged: {error}") from error


def _state(document: dict[str, Any]) -> ClusterState:
    return ClusterState(
        cluster_id=_text(document["cluster_id"]),
        name=_text(document["name"]),
        cluster_key_sha256=_text(document["cluster_key_sha256"]),
        node=NodeId(_text(document["node"])),
        role=Role(document["role"]),
        is_coordinator=document["is_coordinator"] is True,
        epoch=int(document["epoch"]),
        interface=None if document["interface"] is None else _text(document["interface"]),
        port=int(document["port"]),
        addresses=tuple((_text(host), int(port)) for host, port in document["addresses"]),
        pins=tuple(_pin(table) for table in document["pins"]),
        revoked=tuple(_text(key) for key in document["revoked"]),
        tokens=tuple(_token(table) for table in document["tokens"]),
    )


def _pin(table: dict[str, Any]) -> Pin:
    return Pin(
        node=NodeId(_text(table["node"])),
        key_sha256=_text(table["key_sha256"]),
        role=Role(table["role"]),
        added_at=_text(table["added_at"]),
    )


def _token(table: dict[str, Any]) -> WaitingToken:
    used_by = table["used_by_key_sha256"]
    return WaitingToken(
        token_id=_text(table["token_id"]),
        secret_sha256=_text(table["secret_sha256"]),
        role=Role(table["role"]),
        boot_id=_text(table["boot_id"]),
        expires_boottime_s=float(table["expires_boottime_s"]),
        used_by_key_sha256=None if used_by is None else _text(used_by),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
