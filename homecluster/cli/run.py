"""`homecluster run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.app import recipes as use_case
from homecluster.cli import render_recipes
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.domain.plan import PlanSet
from homecluster.domain.recipe import JobStep, PlanStep, Recipe
from homecluster.store.plan_document import plan_document, plan_table, verdict_table
from homecluster.store.recipes import find_recipe, install_command
from homecluster.store.train_document import train_document, train_plan_table

NOTHING_FITS = 1


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.option("--small", is_flag=True, help="Run it at its small size: a look, not a measurement.")
@click.option("--dry-run", is_flag=True, help="Say what it would do, start nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def run(*, recipe: str, small: bool, dry_run: bool, as_json: bool) -> int:
    """Repeat an experiment: a bundled RECIPE by name, or a recipe file of one's own.

    \b
    homecluster recipes
    homecluster run gpt2-hotspot-plan
    homecluster run data-feed-unequal --small
    """  # noqa: D301 - click looks for the backspace itself
    found, folder = find_recipe(recipe)
    if small:
        found = found.in_small()
    if dry_run:
        return _dry_run(found, as_json=as_json)
    if isinstance(found.step, PlanStep):
        return _plan(found.step, folder, as_json=as_json)
    aside(f"{found.title}: about {found.minutes:g} min")
    ran = use_case.run_job(wiring.paths(), found, found.step, progress)
    if as_json:
        print_document(use_case.run_document(found, ran))
    else:
        render_recipes.show_run(found, ran)
    return 0


def _dry_run(recipe: Recipe, *, as_json: bool) -> int:
    commands: list[dict[str, Any]] = []
    if isinstance(recipe.step, JobStep):
        commands = [{"node": "this PC", "argv": list(use_case.job_argv("python", recipe.step))}]
    if as_json:
        print_document(
            {
                "schema": use_case.SCHEMA,
                "recipe": recipe.name,
                "dry_run": True,
                "downloads": recipe.downloads,
                "minutes": recipe.minutes,
                "needs": install_command(recipe),
                "commands": commands,
            }
        )
    else:
        render_recipes.show_dry_run(recipe, [one["argv"] for one in commands])
    return 0


def _plan(step: PlanStep, folder: Path, *, as_json: bool) -> int:
    find = use_case.Finders(model=lambda name: wiring.model(name).spec, cluster=wiring.cluster)
    planned = use_case.plan_recipe(step, folder, find)
    if as_json:
        print_document(_document(planned))
    else:
        render_recipes.show_planned(planned)
    return 0 if planned.plans.plans else NOTHING_FITS


def _document(planned: use_case.Planned) -> dict[str, Any]:
    """The plan document of `plan`, whatever was planned."""
    plans = planned.plans
    document = plan_document(plans) if isinstance(plans, PlanSet) else train_document(plans)
    document["what_if"] = []
    for one in planned.supposed:
        best: dict[str, Any] | None = None
        if isinstance(one.plans, PlanSet):
            best = plan_table(one.plans.plans[0]) if one.plans.plans else None
        elif one.plans.plans:
            best = train_plan_table(one.plans.plans[0])
        document["what_if"].append(
            {"name": one.name, "verdict": verdict_table(one.plans.verdict), "best_plan": best}
        )
    return document
