"""What would help most, as people and programs read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from homecluster.cli.render_console import console
from homecluster.domain.units import format_rate
from homecluster.planner.advice import Advice
from homecluster.planner.sensitivity import Sensitivity


def advice_table(given: Sequence[Advice]) -> list[dict[str, Any]]:
    """For the plan document; the most helpful change first."""
    return [asdict(one) for one in given]


def sensitivity_table(found: Sensitivity | None) -> dict[str, Any] | None:
    """For the plan document; None where no copy over several PCs can run."""
    return asdict(found) if found else None


def show_advice(given: Sequence[Advice]) -> None:
    out = console()
    out.print()
    if not given:
        out.print("no single change is predicted to help by more than a tenth")
    for index, one in enumerate(given):
        times = "" if one.gain is None else f", {format_rate(one.gain)}x"
        lead = "most would help" if index == 0 else "then"
        out.print(
            f"[bold]{lead}[/]: {escape(one.text)}: {format_rate(one.tokens_per_s)} tokens/s{times}"
        )
