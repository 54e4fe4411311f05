"""What lies in the folder of a share besides the files of every job: its order and its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homecluster.engines.vllm_gang_document import order_document, read_order
from homecluster.engines.vllm_gang_order import ShareOrder
from homecluster.errors import InputError
from homecluster.store.files import read_json, write_json, write_private
from homecluster.store.job_store import JobFolder

SCHEMA = "homecluster.share/1"
_ORDER = "order.json"
_KEY = "api-key"
_TOKEN = "ray-token"  # noqa: S105 - a file's name


def write_order(folder: JobFolder, order: ShareOrder, *, led_by: str) -> None:
    """Keep the order, and the name of the PC that gave it."""
    document = {"schema": SCHEMA, "led_by": led_by, "order": order_document(order)}
    write_json(folder.path / _ORDER, document)


def read_kept_order(folder: JobFolder) -> tuple[ShareOrder, str]:
    """(order, who gave it).

    Raises:
        InputError: the file is damaged.
    """
    path = folder.path / _ORDER
    document: Any = read_json(path, "share order")
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{path} is not a {SCHEMA} document")
    return read_order(document["order"]), str(document["led_by"])


def write_key(folder: JobFolder, key: str) -> str:
    """Path of a private file with the API's key."""
    return _write_secret(folder, _KEY, key)


def write_token(folder: JobFolder, token: str) -> str:
    """Path of a private file with the token of the job's own Ray."""
    return _write_secret(folder, _TOKEN, token)


def token_path(folder: JobFolder) -> Path:
    """Where the token of the job's own Ray is, once it was told."""
    return folder.path / _TOKEN


def key_file(folder: JobFolder) -> str | None:
    path = folder.path / _KEY
    return str(path) if path.exists() else None


def _write_secret(folder: JobFolder, name: str, secret: str) -> str:
    path = folder.path / name
    write_private(path, secret.encode())
    return str(path)
