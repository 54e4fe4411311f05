"""Which model another PC means: by a name that means the same everywhere, never by a path."""

from __future__ import annotations

import os

from homecluster.errors import InputError
from homecluster.store.models import FoundModel, find_model
from homecluster.store.paths import Paths


def shared_name(found: FoundModel) -> str:
    """What other PCs of the cluster know this model by.

    A folder goes by its own name: the others must have one of that name in HOME/models.
    """
    if found.source == "catalogue":
        return found.spec.name
    if found.hub_id is not None:
        return found.hub_id
    assert found.folder is not None
    return found.folder.resolve().name


def model_by_name(paths: Paths, name: str) -> FoundModel:
    """The model of that name on this PC: a folder of HOME/models, else catalogue, caches and hub.

    Raises:
        InputError: nothing is known by that name here.
    """
    folder = paths.models / name
    if (folder / "config.json").is_file():
        return find_model(str(folder))
    if os.path.lexists(name):
        raise InputError(f"{name} is also a file where this PC's agent runs: rename that")
    return find_model(name, os.environ)
