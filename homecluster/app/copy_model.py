"""Bringing a copy's model to this PC: what is here, else from the PC that leads the copies, else from the hub."""

from __future__ import annotations

from homecluster.app.file_pull import Source, pull_model
from homecluster.app.gang_model import model_by_name
from homecluster.app.model_files import Tell, local_folder, provide_folder
from homecluster.errors import HomeclusterError, InputError
from homecluster.store.engine_store import Engine
from homecluster.store.models import FoundModel
from homecluster.store.paths import Paths


def is_model_here(paths: Paths, name: str, *, random_weights: bool) -> bool:
    """Whether the copy could start without bringing any file here; random weights are made here."""
    try:
        found = model_by_name(paths, name)
    except HomeclusterError:
        return False
    return random_weights or local_folder(paths, found, random_weights=False) is not None


def bring_model(
    paths: Paths,
    name: str,
    engine: Engine,
    source: Source | None,
    *,
    random_weights: bool,
    tell: Tell,
) -> FoundModel:
    """The model, with its files on this PC.

    Raises:
        HomeclusterError: neither the leading PC nor the hub gives it, or the disk has no room.
    """
    if source is not None and not is_model_here(paths, name, random_weights=random_weights):
        _pull(paths, source, only_config=random_weights, tell=tell)
    found = model_by_name(paths, name)
    provide_folder(paths, found, engine, random_weights=random_weights, tell=tell)
    return found


def _pull(paths: Paths, source: Source, *, only_config: bool, tell: Tell) -> None:
    try:
        pull_model(paths, source, only_config=only_config, tell=tell)
    except InputError:
        return  # it offers no such model: the hub may have it
