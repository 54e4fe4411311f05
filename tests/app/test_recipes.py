"""A recipe's program that fails: its own last words, and where its log is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from homecluster.app import recipes as use_case
from homecluster.domain.recipe import JobStep
from homecluster.errors import InputError
from homecluster.store.paths import Paths
from homecluster.store.recipes import load_recipe


def test_an_argument_that_the_program_refuses_is_said_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'schema = "homecluster.recipe/1"\ntitle = "t"\nabout = "a"\nminutes = 1\n'
        '[job]\nmodule = "feed_unequal"\nsamples = "many"\n'
    )
    recipe = load_recipe(file)
    assert isinstance(recipe.step, JobStep)
    monkeypatch.setattr(use_case, "find_engine", lambda *_asked: SimpleNamespace(python=Path(sys.executable)))  # fmt: skip
    monkeypatch.setattr(use_case, "refresh_own_code", lambda engine: engine)

    with pytest.raises(InputError, match="mine: argument --samples: invalid int value: 'many'") as caught:  # fmt: skip
        use_case.run_job(
            Paths(home=tmp_path, engines=tmp_path), recipe, recipe.step, lambda _line: None
        )
    assert "mine.log" in (caught.value.hint or "")
