"""Recipe files: the bundled ones are right, and a wrong one is named with line and key."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

import homecluster
from homecluster.cli.recipes_page import recipes_page
from homecluster.domain.recipe import JobStep, PlanStep
from homecluster.domain.training import Method, Train
from homecluster.errors import InputError
from homecluster.store.recipe_flags import flags_of
from homecluster.store.recipes import bundled_recipes, find_recipe, load_recipe, recipe_folder

HEAD = 'schema = "homecluster.recipe/1"\ntitle = "t"\nabout = "a"\nminutes = 1\n'
JOB = HEAD + '[job]\nmodule = "feed_unequal"\nsamples = 7\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_page_of_recipes_is_written_from_them() -> None:
    """`python -m homecluster.cli.recipes_page` writes it anew."""
    page = (recipe_folder() / "README.md").read_text(encoding="utf-8")
    assert page == recipes_page(bundled_recipes())


def test_a_wheel_carries_recipes_with_the_clusters_that_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = recipe_folder().parent
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for source, target in build["targets"]["wheel"]["force-include"].items():
        shutil.copytree(root / source, tmp_path / target)
    known = [one.name for one in bundled_recipes()]
    monkeypatch.setattr(homecluster, "__file__", str(tmp_path / "homecluster" / "__init__.py"))

    found = bundled_recipes()
    assert [one.name for one in found] == known
    clusters = [one.step.cluster for one in found if isinstance(one.step, PlanStep)]
    assert all((recipe_folder() / str(one)).is_file() for one in clusters)


def test_every_bundled_job_has_a_small_size() -> None:
    jobs = [one for one in bundled_recipes() if isinstance(one.step, JobStep)]
    assert jobs
    assert [one.name for one in jobs if not one.small] == []


def test_a_job_becomes_a_command_line(tmp_path: Path) -> None:
    step = load_recipe(written(tmp_path, JOB + 'milliseconds = "4, 8"\n')).step
    assert isinstance(step, JobStep)
    assert step.argv() == ("--samples", "7", "--milliseconds", "4, 8")


def test_true_is_a_bare_flag_and_false_is_none() -> None:
    step = JobStep(module="feed_unequal", arguments=(("loud", True), ("quiet", False)))
    assert step.argv() == ("--loud",)


def test_a_program_takes_the_flags_of_its_source() -> None:
    assert flags_of("serve_replicas") == ("shape", "replicas", "requests", "in-flight")


def test_the_small_size_replaces_arguments(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, JOB + "[small]\nsamples = 2\n")).in_small()
    assert isinstance(recipe.step, JobStep)
    assert recipe.step.argv() == ("--samples", "2")


def test_training_is_read() -> None:
    recipe, _ = find_recipe("lora-8b-plan")
    assert isinstance(recipe.step, PlanStep)
    assert isinstance(recipe.step.workload, Train)
    assert recipe.step.workload.method is Method.QLORA


def test_a_file_of_ones_own_starts_its_paths_beside_itself(tmp_path: Path) -> None:
    _, folder = find_recipe(str(written(tmp_path, JOB)))
    assert folder == tmp_path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (JOB.replace("minutes = 1", "minutes = 0"), ("mine.toml:4", "minutes")),
        (JOB.replace("feed_unequal", "feed_uneqal"), ("mine.toml:6", "did you mean 'feed_unequal'")),
        (HEAD, ("exactly one of",)),
        (JOB + "[plan]\nmodel = 'gpt2'\n", ("exactly one of",)),
        (JOB.replace("samples", "sampels"), ("mine.toml:7: job.sampels", "did you mean 'samples'")),
        (JOB + "[small]\nmilisecond = 2\n", ("mine.toml:9: small.milisecond", "did you mean 'milliseconds'")),
        (JOB + "[smal]\nsamples = 2\n", ("unknown key", "did you mean 'small'")),
        (HEAD + "[plan]\nmodel = 'gpt2'\nconcurency = 3\n", ("mine.toml:7", "did you mean 'concurrency'")),
        (HEAD + "[train]\nmethod = 'lora'\n", ("'model' is missing",)),
        (HEAD + "[train]\nmodel = 'gpt2'\nmethod = 'lorra'\n", ("did you mean 'lora'",)),
        (JOB.replace("samples = 7", "samples = [7]"), ("mine.toml:7", "samples")),
        (JOB.replace("recipe/1", "recipe/9"), ("schema",)),
        ("nonsense", ("not valid TOML",)),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_named_with_its_place(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(written(tmp_path, text))
    assert [word for word in words if word not in caught.value.message] == []


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        find_recipe("data-feed-uneqal")
    assert "data-feed-unequal" in (caught.value.hint or "")
