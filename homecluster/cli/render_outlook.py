"""What would help most, and tokens/s over round trip and bandwidth, as people and programs read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from homecluster.cli.render_plan import console
from homecluster.domain.units import format_link_rate, format_rate, format_seconds
from homecluster.planner.advice import Advice
from homecluster.planner.search import MULTI_PC_MARGIN
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


def show_sensitivity(found: Sensitivity | None) -> None:
    """Bold where one copy over several PCs wins against the best single PC."""
    out = console()
    out.print()
    if found is None:
        out.print("no copy over several PCs can run, whatever the link")
        return
    out.print("tokens/s of one copy over several PCs, by the link between them")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("round trip", justify="right")
    for bandwidth in found.bandwidths_bytes_per_s:
        table.add_column(format_link_rate(bandwidth), justify="right")
    for rtt_s, row in zip(found.round_trips_s, found.tokens_per_s, strict=True):
        table.add_row(format_seconds(rtt_s), *(_cell(rate, found) for rate in row))
    out.print(table)
    if found.alone_tokens_per_s is not None:
        out.print(
            f"[dim]* more than the {format_rate(found.alone_tokens_per_s)} tokens/s of the best copy inside one PC[/]"
        )


def _cell(rate: float, found: Sensitivity) -> str:
    alone = found.alone_tokens_per_s
    wins = alone is not None and rate > MULTI_PC_MARGIN * alone
    return f"[bold]{format_rate(rate)} *[/]" if wins else format_rate(rate)
