"""The use case `run`: carry out a recipe, and keep what came out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from homecluster.app.engine import refresh_own_code
from homecluster.app.plan import make_plans
from homecluster.app.plan_training import SupposedTraining, make_train_plans, suppose_training
from homecluster.app.training_packages import find_training
from homecluster.app.what_if import Supposed, suppose
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import PlanSet
from homecluster.domain.recipe import JobStep, PlanStep, Recipe
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train, TrainPlanSet
from homecluster.errors import InputError, LaunchError, MissingError
from homecluster.launch.engine_tool import Finished, run_tool
from homecluster.planner.problem import Pins
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import read_json, write_json, write_private
from homecluster.store.paths import Paths
from homecluster.store.recipes import TRAINING_JOBS, install_command

SCHEMA: Final = "homecluster.recipe-run/1"
JOBS: Final = "homecluster.jobs"
_LIMIT_FACTOR: Final = 10
"""A job may take so many times what the recipe says before it is ended."""
_LEAST_LIMIT_S: Final = 600.0
_VARIABLES: Final = (("HF_HUB_OFFLINE", "1"), ("TOKENIZERS_PARALLELISM", "false"))

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a recipe of documents alone answers."""

    plans: PlanSet | TrainPlanSet
    supposed: tuple[Supposed, ...] | tuple[SupposedTraining, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """What a recipe's program measured."""

    document: dict[str, Any]
    took_s: float
    kept: Path
    """Where it is kept."""
    before: dict[str, Any] | None = None
    """The result of the run before with the same arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finders:
    """How models and clusters are found; wiring gives them."""

    model: Callable[[str], ModelSpec]
    cluster: Callable[[Path | None], Cluster]


def plan_recipe(step: PlanStep, folder: Path, find: Finders) -> Planned:
    """Plan as the recipe says; its paths start from `folder`."""
    spec = find.model(step.model)
    home = find.cluster(None if step.cluster is None else folder / step.cluster)
    if isinstance(step.workload, Train):
        return Planned(
            plans=make_train_plans(home, spec, step.workload),
            supposed=suppose_training(home, spec, step.workload, step.what_if),
        )
    return Planned(
        plans=make_plans(home, spec, step.workload, Pins()),
        supposed=suppose(home, spec, step.workload, Pins(), step.what_if),
    )


def job_argv(python: str, step: JobStep) -> tuple[str, ...]:
    """The command of a recipe's program inside the engine environment."""
    return (python, "-m", f"{JOBS}.{step.module}", *step.argv())


def run_job(paths: Paths, recipe: Recipe, step: JobStep, tell: Tell) -> JobRun:
    """Run the program to its end and keep its document.

    Raises:
        MissingError: the CPU engine, or the training packages that it needs, are not installed.
        InputError: an argument is not what the program takes.
        LaunchError: it failed; the hint names its log.
    """
    try:
        engine = refresh_own_code(find_engine(paths.engines, DeviceKind.CPU))
    except MissingError as missing:
        raise MissingError(missing.message, hint=install_command(recipe)) from missing
    begin = time.monotonic()
    ended = run_tool(
        job_argv(str(engine.python), step),
        os.environ,
        variables=_variables(engine, step),
        limit_s=max(_LEAST_LIMIT_S, _LIMIT_FACTOR * 60 * recipe.minutes),
        tell=tell,
    )
    document = _document(paths, recipe, ended)
    took_s = time.monotonic() - begin
    now = datetime.now(UTC)
    kept = _folder(paths) / f"{recipe.name}-{now:%Y%m%dT%H%M%SZ}.json"
    before = _last(paths, recipe, step)
    ran = JobRun(document=document, took_s=took_s, kept=kept, before=before)
    document = run_document(recipe, ran)
    del document["before"]
    write_json(kept, document | {"at": now.isoformat(timespec="seconds")})
    return ran


def run_document(recipe: Recipe, ran: JobRun) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "recipe": recipe.name,
        "arguments": dict(recipe.step.arguments) if isinstance(recipe.step, JobStep) else {},
        "took_s": ran.took_s,
        "result": ran.document,
        "before": ran.before,
    }


def _variables(engine: Engine, step: JobStep) -> tuple[tuple[str, str], ...]:
    """DeepSpeed lies beside the engine, and looks for `ninja` on PATH."""
    if step.module not in TRAINING_JOBS:
        return _VARIABLES
    path = f"{engine.python.parent}:{os.environ.get('PATH', '')}"
    beside = str(find_training(engine))
    return (*_VARIABLES, ("PYTHONPATH", beside), ("PATH", path), ("DS_ACCELERATOR", "cpu"))


def _last(paths: Paths, recipe: Recipe, step: JobStep) -> dict[str, Any] | None:
    """Of the runs that are kept, the newest with these arguments."""
    for kept in sorted(_folder(paths).glob(f"{recipe.name}-*Z.json"), reverse=True):
        document = read_json(kept, "kept run")
        if document.get("arguments") == dict(step.arguments):
            result: dict[str, Any] = document["result"]
            return result
    return None


def _document(paths: Paths, recipe: Recipe, ended: Finished) -> dict[str, Any]:
    lines = ended.output.strip().splitlines()
    if ended.code == 0 and lines:
        try:
            document = json.loads(lines[-1])
        except ValueError:
            document = None
        if isinstance(document, dict):
            return document
    log = _folder(paths) / f"{recipe.name}.log"
    write_private(log, "\n".join([*ended.said, ended.output]).encode())
    hint = f"its log is {log}"
    if ended.timed_out:
        raise LaunchError(f"{recipe.name} took far too long", hint=hint)
    words = next((line.strip() for line in reversed(ended.said) if line.strip()), "no word why")
    if ended.code == InputError.exit_code:
        raise InputError(f"{recipe.name}: {words.rpartition('error: ')[2]}", hint=hint)
    raise LaunchError(f"{recipe.name} ended with code {ended.code}: {words}", hint=hint)


def _folder(paths: Paths) -> Path:
    return paths.home / "recipes"
