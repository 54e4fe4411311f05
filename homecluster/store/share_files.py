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
_SECRETS = {"api_key": "api-key", "ray_token": "ray-token", "exchange_token": "exchange-token"}
"""Each has a private file of its own: whoever learns one of them knows none of the others."""


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


def write_secret(folder: JobFolder, name: str, secret: str) -> None:
    """Keep `api_key`, `ray_token` or `exchange_token` in a file that only this user may read."""
    write_private(secret_path(folder, name), secret.encode())


def secret_path(folder: JobFolder, name: str) -> Path:
    """Where that secret is, once it was told."""
    return folder.path / _SECRETS[name]


def key_file(folder: JobFolder) -> str | None:
    """The API's key, if this PC was told one."""
    path = secret_path(folder, "api_key")
    return str(path) if path.exists() else None
