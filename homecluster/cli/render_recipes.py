"""How recipes and what they measured look on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from homecluster.app.plan_training import SupposedTraining
from homecluster.app.recipes import JobRun, Planned
from homecluster.app.what_if import Supposed
from homecluster.cli import render_plan, render_train
from homecluster.cli.render_console import console, plain_table
from homecluster.domain.plan import PlanSet
from homecluster.domain.recipe import PlanStep, Recipe
from homecluster.domain.training import Train
from homecluster.domain.units import format_bytes, format_rate, format_seconds
from homecluster.store.recipes import install_command

_BAR = 30
_WIDE = 100
"""Columns from which a row has room for what a recipe needs; `run --dry-run` says it, too."""


def show_recipes(recipes: Sequence[Recipe]) -> None:
    out = console()
    titles = ("recipe", "takes", "needs", "downloads", "shows")
    narrow = out.width < _WIDE
    table = plain_table(
        *(titles[:2] + titles[4:] if narrow else titles), right=("takes",), folds=titles[4:]
    )
    for one in recipes:
        needs = "CPU engine" if one.needs_engine else "nothing"
        table.add_row(
            one.name,
            f"{one.minutes:g} min",
            *(() if narrow else (needs, escape(one.downloads))),
            escape(one.title),
        )
    out.print(table)
    out.print("[dim]homecluster run NAME; --small for a first look[/]")


def show_dry_run(recipe: Recipe, commands: Sequence[Sequence[str]]) -> None:
    out = console()
    out.print(f"[bold]{escape(recipe.name)}[/]: {escape(recipe.title)}")
    out.print(escape(recipe.about))
    install = install_command(recipe)
    out.print(f"needs: {f'the CPU engine ({install})' if install else 'nothing'}")
    out.print(f"takes about {recipe.minutes:g} min, downloads {escape(recipe.downloads)}")
    for argv in commands:
        out.print(f"in the engine environment: {escape(shlex.join(argv))}", soft_wrap=True)
    if isinstance(recipe.step, PlanStep):
        what = "training" if isinstance(recipe.step.workload, Train) else "serving"
        where = recipe.step.cluster or "this PC"
        out.print(f"plans {what} {escape(recipe.step.model)} on {escape(where)}; starts nothing")


def show_planned(planned: Planned) -> None:
    plans = planned.plans
    if isinstance(plans, PlanSet):
        render_plan.show(plans, [one for one in planned.supposed if isinstance(one, Supposed)])
    else:
        supposed = [one for one in planned.supposed if isinstance(one, SupposedTraining)]
        render_train.show_training(plans, supposed)


def show_run(recipe: Recipe, ran: JobRun) -> None:
    """The result as its schema is best read, then where it is kept."""
    out = console()
    shows = {
        "homecluster.data-feed/1": _show_feed,
        "homecluster.zero-copy/1": _show_zero_copy,
        "homecluster.replicas/1": _show_replicas,
    }
    out.print(f"[bold]{escape(recipe.title)}[/]")
    if "rows" in ran.document:
        _show_rows(out, ran.document, ran.before)
    else:
        shows[ran.document["schema"]](out, ran.document)
    out.print(f"[dim]took {format_seconds(ran.took_s)}; kept in {escape(str(ran.kept))}[/]")


def _show_rows(out: Console, document: dict[str, Any], before: dict[str, Any] | None) -> None:
    """A table of what was measured, beside the speed of the run before."""
    rows = document["rows"]
    old = before["rows"] if before and len(before["rows"]) == len(rows) else [None] * len(rows)
    titles = [name.removesuffix("_bytes").removesuffix("_s").replace("_", " ") for name in rows[0]]
    table = plain_table(*titles, *(["before"] if before else []))
    for row, was in zip(rows, old, strict=True):
        cells = [_cell(name, value) for name, value in row.items()]
        table.add_row(*cells, *([_speed(was)] if before else []))
    out.print(table)
    for remark in document["remarks"]:
        out.print(f"  {escape(remark)}")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, int | float):
        return escape(str(value))
    if name.endswith("_bytes"):
        return format_bytes(int(value))
    if name.startswith(("accuracy", "utilisation", "f1")):
        return f"{value:.0%}"
    return f"{value:.4g}"


def _speed(row: dict[str, Any] | None) -> str:
    rates = [value for name, value in (row or {}).items() if name.endswith("_per_s")]
    return format_rate(rates[0]) if rates else ""


def _show_feed(out: Console, document: dict[str, Any]) -> None:
    titles = ("way", "time", "samples/s", "of the summed speeds")
    table = plain_table(*titles, right=titles[1:])
    for row in document["modes"]:
        table.add_row(
            row["mode"],
            format_seconds(row["seconds"]),
            format_rate(row["samples_per_s"]),
            f"{row['share_of_summed_speeds']:.0%}",
        )
    out.print(table)
    for row in document["modes"]:
        if "missing" in row:
            died = f", with {row['died']} workers killed on the way" if "died" in row else ""
            out.print(
                f"{row['mode']}: {document['samples']} samples, {row['missing']} lost and {row['repeated']} repeated{died}"
            )


def _show_zero_copy(out: Console, document: dict[str, Any]) -> None:
    out.print(
        f"{document['shape']}, {format_bytes(document['weights_bytes'])}: "
        f"{format_seconds(document['zero_copy_s'])} without a copy"
    )
    for way, seconds in document["others_s"].items():
        name = way.replace("_", " ")
        out.print(f"  {name}: {format_seconds(seconds)}, {document['ratios'][way]:.0f}x")
    held = format_bytes(document["weights_in_all_bytes"])
    out.print(f"  weights in the memory of all {document['processes']} processes together: {held}")
    for holds, words in (
        ("same_outputs", "outputs agree bit for bit"),
        ("shared_memory", f"{document['processes']} processes share one copy"),
        ("writing_refused", "nobody can change the weights"),
    ):
        out.print(f"  {words}: {'yes' if document[holds] else 'NO'}")


def _show_replicas(out: Console, document: dict[str, Any]) -> None:
    titles = ("replicas", "response", "requests/s", "predicted", "processor", "memory", "")
    table = plain_table(*titles, right=titles[:-1])
    most = max(row["requests_per_s"] for row in document["curve"])
    for row in document["curve"]:
        table.add_row(
            str(row["replicas"]),
            format_seconds(row["response_s"]["p50"]),
            format_rate(row["requests_per_s"]),
            format_rate(row["predicted_requests_per_s"]),
            f"{row['processor_share']:.0%}",
            format_bytes(row["memory_bytes"]),
            "█" * max(1, round(_BAR * row["requests_per_s"] / most)),
        )
    out.print(table)
    out.print(escape(document["knee"]["reason"]))
