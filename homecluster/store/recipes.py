"""Recipe files (TOML) <-> Recipe, and where the bundled ones are."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import homecluster
from homecluster.domain.recipe import JobStep, PlanStep, Recipe, Value
from homecluster.domain.training import Method, Train
from homecluster.domain.units import UnitError
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.store.config_fields import shown
from homecluster.store.fields import Fields, member, one_of, text, whole_number
from homecluster.store.files import read_text
from homecluster.store.recipe_flags import flags_of

SCHEMA: Final = "homecluster.recipe/1"
TRAINING_JOBS: Final = ("bert_pairs", "compare_zero", "next_action")
"""Those that need DeepSpeed beside the engine."""
JOBS: Final = (
    *("feed_unequal", "zero_copy_bert", "serve_replicas", "compare_engines", "inference_log"),
    *TRAINING_JOBS,
)
"""Programs that a recipe may start; each prints one JSON document."""


def recipe_folder() -> Path:
    """Beside the package in a clone, inside it where a wheel was installed."""
    package = Path(homecluster.__file__).parent
    beside = package.parent / "recipes"
    return beside if beside.is_dir() else package / "bundled" / "recipes"


def bundled_recipes() -> tuple[Recipe, ...]:
    """Sorted by name."""
    return tuple(load_recipe(path) for path in sorted(recipe_folder().glob("*.toml")))


def find_recipe(reference: str) -> tuple[Recipe, Path]:
    """The recipe of a bundled name or of a file, and the folder that its paths start from.

    Raises:
        InputError: there is none; or the file is wrong, with line and key.
    """
    path = Path(reference)
    if path.suffix == ".toml" or path.exists():
        return load_recipe(path), path.parent
    folder = recipe_folder()
    names = [one.stem for one in sorted(folder.glob("*.toml"))]
    if reference in names:
        return load_recipe(folder / f"{reference}.toml"), folder
    close = get_close_matches(reference[:80], names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"bundled: {', '.join(names)}."
    raise InputError(
        f"no recipe is called {reference[:80]!r}", hint=f"{hint} A file's name ends in .toml."
    )


def install_command(recipe: Recipe) -> str | None:
    """What installs the engine that it needs; None where it plans from documents alone."""
    if not isinstance(recipe.step, JobStep):
        return None
    more = " --training" if recipe.step.module in TRAINING_JOBS else ""
    return f"homecluster engine install --cpu{more}"


def load_recipe(path: Path) -> Recipe:
    """The recipe of a file (InputError: with line and key)."""
    content = read_text(path, "recipe")
    try:
        document = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    root = Fields(document, place="", file=str(path), text=content)
    root.allow("schema", "title", "about", "minutes", "downloads", "job", "plan", "train", "small")
    if root.need("schema", text) != SCHEMA:
        raise root.error("schema", f"must be {SCHEMA!r}")
    step = _step(root)
    return Recipe(
        name=path.stem,
        title=root.need("title", text),
        about=" ".join(root.need("about", text).split()),
        minutes=root.need("minutes", _minutes),
        downloads=root.get("downloads", text, "nothing"),
        step=step,
        small=_small(root, step),
    )


def _step(root: Fields) -> JobStep | PlanStep:
    given = [name for name in ("job", "plan", "train") if name in root.table]
    if len(given) != 1:
        raise root.error("", "needs exactly one of the tables [job], [plan] and [train]")
    fields = root.child(given[0])
    assert fields is not None
    if given[0] == "job":
        module = fields.need("module", one_of(JOBS))
        fields.allow("module", *flags_of(module))
        return JobStep(module=module, arguments=_arguments(fields))
    return PlanStep(
        model=fields.need("model", text),
        cluster=fields.get("cluster", text, None),
        workload=_serve(fields) if given[0] == "plan" else _train(fields),
        what_if=fields.get("what_if", _texts, ()),
    )


def _serve(fields: Fields) -> Serve:
    fields.allow("model", "cluster", "what_if", "prompt_tokens", "output_tokens", "concurrency", "goal")  # fmt: skip
    concurrency = fields.get("concurrency", whole_number, 1)
    usual = Goal.LATENCY if concurrency == 1 else Goal.THROUGHPUT
    return Serve(
        prompt_tokens=fields.get("prompt_tokens", whole_number, 512),
        output_tokens=fields.get("output_tokens", whole_number, 128),
        concurrent_requests=concurrency,
        goal=fields.get("goal", member(Goal), usual),
    )


def _train(fields: Fields) -> Train:
    fields.allow("model", "cluster", "what_if", "method", "sequence", "batch", "lora_rank")
    return Train(
        method=fields.get("method", member(Method), Method.FULL),
        sequence_tokens=fields.get("sequence", whole_number, 1024),
        global_batch=fields.get("batch", whole_number, 16),
        lora_rank=fields.get("lora_rank", whole_number, 16),
    )


def _small(root: Fields, step: JobStep | PlanStep) -> tuple[tuple[str, Value], ...]:
    small = root.child("small")
    if small is None:
        return ()
    if not isinstance(step, JobStep):
        raise root.error("small", "only a [job] has a small size")
    small.allow(*flags_of(step.module))
    return _arguments(small)


def _arguments(fields: Fields) -> tuple[tuple[str, Value], ...]:
    return tuple((name, fields.need(name, _value)) for name in fields.table if name != "module")


def _value(value: object) -> Value:
    if isinstance(value, str | int | float | bool):
        return value
    raise UnitError(f"{shown(value)} must be a text, a number, true or false")


def _minutes(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10_000:  # noqa: PLR2004 - a week
        raise UnitError(f"{shown(value)} must be a number of minutes")
    return float(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnitError(f"{shown(value)} must be a list of texts")
    return tuple(value)
