"""A job's start as it was, beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape

from homecluster.app.jobs import JobView
from homecluster.cli.render_console import console
from homecluster.domain.job import Running
from homecluster.domain.units import format_seconds

_SHOWN_S = 0.1
"""What took less is left out."""


def show_start(view: JobView) -> None:
    """Two lines; nothing of a job that did not time its phases, as whole copies do not."""
    if not isinstance(view.state, Running) or not view.state.phases:
        return
    predicted = view.launch.plan["estimate"]
    out = console()
    out.print(f"  start-up:  {escape(_parts(view.state.phases))}")
    out.print(
        f"  predicted: {escape(_parts(predicted['start_up_parts'].items()))} "
        f"= {format_seconds(predicted['start_up_s']['mid'])}"
    )


def _parts(parts: Iterable[tuple[str, float]]) -> str:
    return " + ".join(f"{what} {format_seconds(s)}" for what, s in parts if s >= _SHOWN_S)
