"""Which model a user means by a name, a folder, a config.json or a hub id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.domain.model import ModelSpec
from homecluster.errors import InputError
from homecluster.store import hub
from homecluster.store.files import parse_json, read_json
from homecluster.store.model_catalogue import (
    find_in_catalogue,
    nearest_names,
)
from homecluster.store.model_config import parse_config

_LONGEST_REFERENCE: Final = 4096
_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model's shape and where it came from."""

    spec: ModelSpec
    config: Mapping[str, Any]
    """The config.json that `spec` was read from; of a catalogue row, its shape keys."""
    folder: Path | None
    """The model's folder where the reference or a cache named one; it may hold no weights."""
    hub_id: str | None
    source: str
    """`folder`, `catalogue`, `cache` or `hub`."""


def find_model(reference: str, environment: Mapping[str, str] | None = None) -> FoundModel:
    """The model that `reference` names.

    Looked for in this order: an existing folder or config.json; the bundled catalogue; the caches of
    Hugging Face and ModelScope on this PC; the hub, which is asked for `owner/name` only.

    Raises:
        InputError: nothing is found (names the nearest spellings), or its config.json is wrong.
        MissingError: the hub has it, but something here is missing to fetch it.
    """
    reference = reference.strip()
    local = _local_config(reference)
    if local is not None:
        folder = local.parent.resolve()  # an engine looks from a folder of its own
        return _from_file(folder / local.name, name=folder.name, source="folder")
    row = find_in_catalogue(reference)
    if row is not None:
        spec = parse_config(row.config, name=row.name, where=f"catalogue row {row.name}")
        return FoundModel(
            spec=spec, config=row.config, folder=None, hub_id=row.hub_id, source="catalogue"
        )
    return _from_hub(reference, environment or {})


def weights_folder(found: FoundModel, environment: Mapping[str, str] | None = None) -> Path | None:
    """Where the model's weights are on this PC, None if they are not.

    Apart from `find_model` because looking into the hub's cache costs more than a whole plan.
    """
    folder = found.folder
    if folder is None and found.hub_id is not None:
        folder = hub.cached_folder(found.hub_id, environment or {})
    return folder if folder is not None and hub.has_weights(folder) else None


def _local_config(reference: str) -> Path | None:
    """The config.json that a path means, None where `reference` is no path."""
    if not reference:
        raise InputError("no model is named", hint="give a name such as gpt2, or a path.")
    if len(reference) > _LONGEST_REFERENCE or not reference.isprintable():
        raise InputError("the model's name is not one that can be typed")
    path = Path(reference).expanduser()
    try:
        if (path / "config.json").is_file():
            return path / "config.json"
        if path.is_file():
            return path
        if path.exists() and _looks_like_path(reference):
            raise InputError(f"{reference} holds no config.json")
    except OSError as error:
        shown = (
            reference
            if len(reference) <= _SHOWN_CHARACTERS
            else f"{reference[:_SHOWN_CHARACTERS]}…"
        )
        raise InputError(f"cannot read {shown}: {error.strerror or error}") from error
    if _looks_like_path(reference):
        raise InputError(f"there is no {reference}", hint="give a model folder or a config.json.")
    return None


def _looks_like_path(reference: str) -> bool:
    return reference.startswith((".", "/", "~")) or reference.endswith((".json", "/"))


def _from_file(path: Path, *, name: str, source: str, hub_id: str | None = None) -> FoundModel:
    config = read_json(path, "model configuration")
    spec = parse_config(config, name=name, where=str(path))
    return FoundModel(spec=spec, config=config, folder=path.parent, hub_id=hub_id, source=source)


def _from_hub(reference: str, environment: Mapping[str, str]) -> FoundModel:
    if not hub.is_hub_id(reference):
        raise _unknown(reference, f"no model is called {reference!r}")
    cached = hub.cached_folder(reference, environment)
    if cached is not None:
        return _from_file(cached / "config.json", name=reference, source="cache", hub_id=reference)
    if "/" not in reference:
        raise _unknown(reference, f"no model is called {reference!r}")
    try:
        text = hub.fetch_config(reference)
    except InputError as error:
        raise _unknown(reference, error.message) from error
    where = f"config.json of {reference} on the hub"
    config = parse_json(text, where)
    spec = parse_config(config, name=reference, where=where)
    return FoundModel(spec=spec, config=config, folder=None, hub_id=reference, source="hub")


def _unknown(reference: str, message: str) -> InputError:
    near = nearest_names(reference)
    names = f"did you mean {', '.join(near)}? " if near else ""
    return InputError(
        message, hint=f"{names}a folder, a config.json or a hub id such as Qwen/Qwen3-8B works too."
    )
