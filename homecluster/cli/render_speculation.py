"""What drafting tokens would do, as people and programs read it."""

from __future__ import annotations

from typing import Any

from homecluster.cli.render_console import console
from homecluster.domain.units import format_seconds
from homecluster.planner.speculation import SHOWN_ACCEPTANCES, Speculated


def show(one: Speculated, acceptance: float | None) -> None:
    """The least acceptance that pays, and the gain at the given one or at some."""
    out = console()
    out.print()
    out.print(
        f"[bold]n-gram speculation[/] on the best plan, {one.drafts} drafted tokens a step: "
        f"a step takes {format_seconds(one.step_s)} instead of {format_seconds(one.plain_interval_s)}."
    )
    least = one.least_acceptance
    if least is None:
        out.print("  it does not pay here, even if every draft is right")
        return
    out.print(
        f"  it pays where more than {least:.0%} of the drafts are right (answers that quote their prompt: often; free prose: seldom)"
    )
    gains = ", ".join(f"{one.gain(a):.2f}x at {a:.0%}" for a in _shown(acceptance))
    out.print(f"  tokens/s of one request: {gains}")


def table(one: Speculated, acceptance: float | None) -> dict[str, Any]:
    """For the plan document."""
    return {
        "method": "ngram",
        "drafts": one.drafts,
        "plain_interval_s": one.plain_interval_s,
        "step_s": one.step_s,
        "least_acceptance": one.least_acceptance,
        "gains": [{"acceptance": a, "gain": one.gain(a)} for a in _shown(acceptance)],
    }


def _shown(acceptance: float | None) -> tuple[float, ...]:
    return SHOWN_ACCEPTANCES if acceptance is None else (acceptance,)
