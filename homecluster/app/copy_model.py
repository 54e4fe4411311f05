"""Bringing a copy's model to this PC: what is here, else from the PC that leads the copies, else from the hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from homecluster.app.copy_order import CopyOrder
from homecluster.app.file_pull import Source, pull_model
from homecluster.app.gang_model import model_by_name
from homecluster.app.model_files import Tell, local_folder, provide_folder
from homecluster.errors import HomeclusterError, InputError
from homecluster.store.engine_store import Engine
from homecluster.store.models import FoundModel, find_model
from homecluster.store.offers import offered_folder
from homecluster.store.paths import Paths


def shape_of(found: FoundModel) -> str:
    """Tells configurations apart, and so models of one name."""
    text = json.dumps(found.config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def pulled_folder(paths: Paths, name: str, shape: str) -> Path:
    """Where files copied from a member lie: no name of the user's own or of the catalogue is hidden by it."""
    return paths.models / f"{name.replace('/', '--')}-{shape[:8]}"


def known_model(paths: Paths, name: str, shape: str) -> FoundModel:
    """The model on this PC: copied here before, launched from a folder here, or known by its name.

    Raises:
        InputError: nothing, or only another model, is known by that name here.
    """
    for find in (_pulled, _offered, _named):
        try:
            found = find(paths, name, shape)
        except InputError:
            continue
        if shape_of(found) == shape:
            return found
    raise InputError(
        f"this PC does not know the model {name}, or knows another one by that name",
        hint="its files are copied from the PC where `up` is typed.",
    )


def _pulled(paths: Paths, name: str, shape: str) -> FoundModel:
    return find_model(f"{pulled_folder(paths, name, shape)}/")


def _offered(paths: Paths, name: str, shape: str) -> FoundModel:
    del shape
    return find_model(f"{offered_folder(paths, name)}/")


def _named(paths: Paths, name: str, shape: str) -> FoundModel:
    del shape
    return model_by_name(paths, name)


def is_model_here(paths: Paths, name: str, shape: str, *, random_weights: bool) -> bool:
    """Whether the copy could start without bringing any file here; random weights are made here."""
    try:
        found = known_model(paths, name, shape)
    except HomeclusterError:
        return False
    return random_weights or local_folder(paths, found, random_weights=False) is not None


def bring_model(
    paths: Paths, order: CopyOrder, engine: Engine, source: Source | None, tell: Tell
) -> FoundModel:
    """The model, with its files on this PC.

    Raises:
        HomeclusterError: neither the leading PC nor the hub gives it, or the disk has no room.
    """
    name, shape, random_weights = order.model, order.shape, order.random_weights
    if source is not None and not is_model_here(paths, name, shape, random_weights=random_weights):
        _pull(source, pulled_folder(paths, name, shape), only_config=random_weights, tell=tell)
    found = known_model(paths, name, shape)
    provide_folder(paths, found, engine, random_weights=random_weights, tell=tell)
    return found


def _pull(source: Source, folder: Path, *, only_config: bool, tell: Tell) -> None:
    try:
        pull_model(source, folder, only_config=only_config, tell=tell)
    except InputError:
        return  # it offers no such model: the hub may have it
