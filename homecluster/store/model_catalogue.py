"""Which models the bundled catalogue knows, under the many spellings that people use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueModel:
    """One row of data/models.json."""

    name: str
    hub_id: str | None
    """Of the weights that the name by which the row was found means; None where only their shape is known."""
    config: Mapping[str, Any]
    """The keys of the published config.json that say its shape."""
    parameters: int
    source: str
    note: str | None = None
    """What is odd about `parameters`."""


_FILE: Final = Path(__file__).with_name("data") / "models.json"

_FORMATS: Final = ("hf", "base", "pt")
"""Endings that name the same weights."""

_TUNED: Final = ("instruct", "chat", "it")
"""Endings that name other weights of the same shape."""

_VERSION: Final = re.compile(r"-v\d+(\.\d+)?$")

_MIRRORS: Final = frozenset(
    {"unsloth", "nousresearch", "ai-modelscope", "llm-research", "modelscope", "neuralmagic", "shakechen"}
)  # fmt: skip
"""Publishers who carry others' models unchanged, so that the name alone identifies the shape."""


def catalogue() -> tuple[CatalogueModel, ...]:
    """Every row, in the file's order."""
    return tuple(_model(row, row["hub_id"]) for row in _rows())


def find_in_catalogue(reference: str) -> CatalogueModel | None:
    """The row that `reference` spells: a name, an alias, or a hub id of one of its publishers.

    Case, `_`, `-` and spaces do not matter, and `-hf`, `-instruct`, `-chat` and the like may be left
    out or added. A hub id of a publisher whom the catalogue does not name may be another shape: not matched.
    """
    index = _index()
    reference = reference.strip()
    if _key(reference) in index:
        return _model(*index[_key(reference)])
    publisher, _, name = reference.rpartition("/")
    mirrored = publisher.lower() in _MIRRORS
    if publisher and not mirrored and publisher.lower() not in _publishers():
        return None
    for key, same_weights in _untuned(name):
        if key in index:
            row, hub_id = index[key]
            weights = hub_id if same_weights else None
            return _model(row, reference if mirrored else weights)
    return None


def nearest_names(reference: str) -> tuple[str, ...]:
    """Names of the catalogue that look like `reference`, nearest first."""
    name = reference.strip().rpartition("/")[2][:80].lower()
    return tuple(get_close_matches(name, [row["name"] for row in _rows()], n=4, cutoff=0.5))


@cache
def _rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(_FILE.read_text(encoding="utf-8"))["models"])


@cache
def _index() -> Mapping[str, tuple[dict[str, Any], str]]:
    """Key -> (row, hub id of the weights it means); a row's own name beats any other row's alias."""
    index: dict[str, tuple[dict[str, Any], str]] = {}
    for row in _rows():
        index[_key(row["name"])] = (row, row["hub_id"])
    for row in _rows():
        for spelling in (row["hub_id"], *row.get("aliases", ())):
            hub_id = spelling if "/" in spelling else row["hub_id"]
            name = spelling.rpartition("/")[2]
            for key in (spelling, name, _VERSION.sub("", name)):
                index.setdefault(_key(key), (row, hub_id))
    return index


@cache
def _publishers() -> frozenset[str]:
    ids = (spelling for row in _rows() for spelling in (row["hub_id"], *row.get("aliases", ())))
    return frozenset(hub_id.partition("/")[0].lower() for hub_id in ids if "/" in hub_id)


def _model(row: dict[str, Any], hub_id: str | None) -> CatalogueModel:
    return CatalogueModel(
        name=row["name"],
        hub_id=hub_id,
        config=row["config"],
        parameters=row["parameters"],
        source=row["source"],
        note=row.get("note"),
    )


def _untuned(name: str) -> Iterator[tuple[str, bool]]:
    """Keys of `name` as written and with its endings taken off, each with whether it means the same weights."""
    words = re.split(r"[-_ ]+", name.strip().lower())
    yield _key(name), True
    same_weights = True
    while len(words) > 1 and words[-1] in (*_FORMATS, *_TUNED):
        same_weights = words.pop() in _FORMATS and same_weights
        yield _key("-".join(words)), same_weights


def _key(spelling: str) -> str:
    """Letters, digits, dots and the slash of a hub id; nothing else tells two models apart."""
    key = re.sub(r"[^a-z0-9./]", "", spelling.lower())
    return key if "/" in key else key.replace("metallama3", "llama3")
