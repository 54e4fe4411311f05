"""recipes/README.md, written from the recipes themselves: `python -m homecluster.cli.recipes_page`."""

from __future__ import annotations

from collections.abc import Sequence

from homecluster.domain.recipe import JobStep, PlanStep, Recipe
from homecluster.domain.training import Train
from homecluster.store.recipes import bundled_recipes, install_command, recipe_folder

_HEAD = """# Recipes

Each file is an experiment that one command repeats; this page is written from them.

```
homecluster recipes                      what there is
homecluster run NAME                     carry it out
homecluster run NAME --small             a first look, not a measurement
homecluster run NAME --dry-run           what it would do
homecluster run ./mine.toml              a recipe of one's own
```
"""


def recipes_page(recipes: Sequence[Recipe]) -> str:
    """The whole page."""
    return _HEAD + "".join(map(_section, recipes))


def _section(recipe: Recipe) -> str:
    install = install_command(recipe)
    needs = f"the CPU engine (`{install}`)" if install else "nothing"
    sentences = recipe.about.replace(". ", ".\n")
    return (
        f"\n## {recipe.name}\n\n{recipe.title}.\n\n{sentences}\n\n"
        f"- does: {_does(recipe.step)}\n"
        f"- needs: {needs}\n"
        f"- takes: about {recipe.minutes:g} min\n"
        f"- downloads: {recipe.downloads}\n"
    )


def _does(step: JobStep | PlanStep) -> str:
    if isinstance(step, JobStep):
        return f"runs `homecluster.jobs.{step.module} {' '.join(step.argv())}` in the engine environment"  # fmt: skip
    what = "training" if isinstance(step.workload, Train) else "serving"
    return f"plans {what} `{step.model}`" + (f" on `{step.cluster}`" if step.cluster else "")


if __name__ == "__main__":
    (recipe_folder() / "README.md").write_text(recipes_page(bundled_recipes()), encoding="utf-8")
