"""Which model another PC means by a name and a shape, and its files: those here, else the giver's, else the hub's."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from homecluster.app.file_pull import Source, pull_model
from homecluster.app.model_files import Tell, local_folder, provide_folder, random_folder
from homecluster.app.offers import LAUNCH_WITHIN_S, Offer, offer, own_folder
from homecluster.domain.ids import NodeId
from homecluster.errors import HomeclusterError, InputError
from homecluster.store.engine_store import Engine
from homecluster.store.model_folder import model_files
from homecluster.store.models import FoundModel, find_model, weights_folder
from homecluster.store.paths import Paths

SLOWEST_COPY_BYTES_PER_S: Final = 250_000
"""A tenth of a phone's hotspot: what a start waits for before it counts as stuck."""


class Ordered(Protocol):
    """What the orders of a gang's share and of a whole copy say of their model."""

    @property
    def model(self) -> str:
        """A name that means the same everywhere, never a path."""
        ...

    @property
    def shape(self) -> str: ...

    @property
    def random_weights(self) -> bool: ...


def shared_name(found: FoundModel) -> str:
    """What other PCs of the cluster know this model by; a folder goes by its own name."""
    if found.source == "catalogue":
        return found.spec.name
    if found.hub_id is not None:
        return found.hub_id
    assert found.folder is not None
    return found.folder.resolve().name


def shape_of(config: Mapping[str, Any]) -> str:
    """Tells configurations apart, and so models of one name."""
    text = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def pulled_folder(paths: Paths, name: str, shape: str) -> Path:
    """Where files copied from a member lie: no name of the user's own or of the catalogue is hidden by it."""
    return paths.models / f"{name.replace('/', '--')}-{shape[:8]}"


def known_model(paths: Paths, name: str, shape: str) -> FoundModel:
    """The model on this PC: copied here before, launched from a folder here, or known by its name.

    Raises:
        InputError: nothing, or only another model, is known by that name here.
    """
    pulled = pulled_folder(paths, name, shape)
    if (pulled / "config.json").is_file():
        return find_model(
            f"{pulled}/"
        )  # a catalogue row's shape is of fewer keys than its config.json
    for find in (_offered, _named):
        try:
            found = find(paths, name)
        except InputError:
            continue
        if shape_of(found.config) == shape:
            return found
    raise InputError(
        f"this PC does not know the model {name}, or knows another one by that name",
        hint="its files are copied from the PC where `up` is typed.",
    )


def _offered(paths: Paths, name: str) -> FoundModel:
    return find_model(f"{own_folder(paths, name)}/")


def _named(paths: Paths, name: str) -> FoundModel:
    """A folder of HOME/models, else catalogue, caches and hub."""
    folder = paths.models / name
    if (folder / "config.json").is_file():
        return find_model(str(folder))
    if os.path.lexists(name):
        raise InputError(f"{name} is also a file where this PC's agent runs: rename that")
    return find_model(name, os.environ)


def is_model_here(paths: Paths, name: str, shape: str, *, random_weights: bool) -> bool:
    """Whether the engine could start without any file being brought here; random weights are made here."""
    try:
        found = known_model(paths, name, shape)
    except HomeclusterError:
        return False
    return random_weights or local_folder(paths, found, random_weights=False) is not None


def folder_or_hub_id(paths: Paths, order: Ordered) -> tuple[str, bool]:
    """(what the engine is told to load, whether that is a folder of this PC).

    Before the files are here it is where they will be, as far as this PC can know.
    """
    try:
        found = known_model(paths, order.model, order.shape)
    except HomeclusterError:
        return str(pulled_folder(paths, order.model, order.shape)), True
    here = local_folder(paths, found, random_weights=order.random_weights)
    if here is None and order.random_weights:
        here = random_folder(paths, found)
    folder = here or (None if found.hub_id else found.folder)
    return (str(folder), True) if folder else (str(found.hub_id), False)


def bytes_to_give(found: FoundModel, *, random_weights: bool) -> int:
    """Size of the files that PCs without the model would copy from this one; 0 where it has none to give."""
    folder = None if random_weights else weights_folder(found, os.environ)
    return 0 if folder is None else sum(file.size_bytes for file in model_files(folder))


def offer_model(paths: Paths, found: FoundModel, *, job: str, to: Iterable[NodeId]) -> None:
    """While the job lives, let its PCs copy what this PC has of the model."""
    folder = weights_folder(found, os.environ) or found.folder
    if folder is None:
        return
    until_s = time.time() + LAUNCH_WITHIN_S
    one = Offer(name=shared_name(found), folder=folder, to=tuple(to), job=job, until_s=until_s)
    offer(paths, one)


def bring_model(
    paths: Paths, order: Ordered, engine: Engine, source: Source | None, tell: Tell
) -> FoundModel:
    """The model, with its files on this PC.

    Raises:
        HomeclusterError: neither the giving PC nor the hub gives it, or the disk has no room.
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
