"""`homecluster recipes`."""

from __future__ import annotations

from typing import Any

import click

from homecluster.cli.output import print_document
from homecluster.domain.recipe import Recipe
from homecluster.store.recipes import bundled_recipes

SCHEMA = "homecluster.recipes/1"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def recipes(*, as_json: bool) -> int:
    """List the bundled experiments: what each shows, needs and takes."""
    found = bundled_recipes()
    if as_json:
        print_document({"schema": SCHEMA, "recipes": [_table(one) for one in found]})
    else:
        from homecluster.cli import render_recipes  # noqa: PLC0415 - rich is not needed for a document

        render_recipes.show_recipes(found)
    return 0


def _table(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "title": recipe.title,
        "about": recipe.about,
        "minutes": recipe.minutes,
        "downloads": recipe.downloads,
        "needs_engine": recipe.needs_engine,
        "has_small": bool(recipe.small),
    }
