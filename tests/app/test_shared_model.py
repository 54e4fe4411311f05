"""Whether two PCs mean the same model, and where its files are or will be."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from homecluster.app import offers
from homecluster.app.shared_model import (
    bytes_to_give,
    folder_or_hub_id,
    is_model_here,
    known_model,
    offer_model,
    pulled_folder,
    shape_of,
    shared_name,
)
from homecluster.domain.ids import NodeId
from homecluster.errors import InputError
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from tests.fakes.gang_engine import CONFIG, make_model
from tests.fakes.gangs import order

SHAPE = shape_of(CONFIG)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return Paths(home=tmp_path / "home", engines=tmp_path / "engines")


def test_a_folder_of_that_name_and_another_shape_is_another_model(paths: Paths) -> None:
    make_model(paths.models)
    assert known_model(paths, "toy", SHAPE).folder == paths.models / "toy"
    with pytest.raises(InputError, match="another one by that name"):
        known_model(paths, "toy", "0" * 32)


def test_what_is_not_here_is_told_with_the_place_where_it_will_be(paths: Paths) -> None:
    assert not is_model_here(paths, "toy", SHAPE, random_weights=True)
    assert folder_or_hub_id(paths, order()) == (str(pulled_folder(paths, "toy", SHAPE)), True)


def test_files_copied_of_a_catalogue_model_are_used_though_they_say_more_than_its_row(
    paths: Paths,
) -> None:
    row = find_model("gpt2")
    shape = shape_of(row.config)
    folder = pulled_folder(paths, "gpt2", shape)
    folder.mkdir(parents=True)
    config = {**row.config, "transformers_version": "5.0"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"")
    assert shape_of(config) != shape
    assert known_model(paths, "gpt2", shape).folder == folder
    assert is_model_here(paths, "gpt2", shape, random_weights=False)


def test_random_weights_are_made_on_each_pc_and_not_copied(paths: Paths) -> None:
    folder = make_model(paths.models)
    (folder / "model.safetensors").write_bytes(bytes(1000))
    found = find_model(str(folder))
    assert bytes_to_give(found, random_weights=True) == 0
    assert bytes_to_give(found, random_weights=False) == 1000 + len(json.dumps(CONFIG))


def test_a_folder_anywhere_on_the_leading_pc_is_meant_by_its_own_name(
    paths: Paths, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "elsewhere")
    found = find_model(str(folder))
    offer_model(paths, found, job="toy-8000-abcd", to=(NodeId("b"),))
    assert known_model(paths, shared_name(found), SHAPE).folder == folder


def test_an_offer_that_is_over_is_forgotten_with_what_was_made_for_it(
    paths: Paths, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "packed")
    over: dict[str, Any] = {
        "folder": folder,
        "to": (NodeId("b"),),
        "job": None,
        "until_s": time.time() - 1,
    }
    offers.offer(paths, offers.Offer(name="old", is_made_for_it=True, **over))
    with pytest.raises(InputError, match="not any more"):
        offers.folder_for(paths, "old", NodeId("b"))
    offer_model(paths, find_model(str(make_model(paths.models))), job="x", to=())
    assert not folder.exists()
