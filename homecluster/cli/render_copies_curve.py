"""Tokens/s by the number of whole copies, as bars."""

from __future__ import annotations

from collections.abc import Sequence

from homecluster.cli.blocks import bar
from homecluster.cli.render_console import console, plain_table
from homecluster.domain.plan import Plan
from homecluster.domain.units import format_rate, format_seconds

_WIDEST, _FIGURES_COLUMNS = 30, 36


def show_copies_curve(plans: Sequence[Plan]) -> None:
    """The fastest plan of each number of copies; nothing where there is only one number."""
    best: dict[int, Plan] = {}
    for plan in plans:
        count = len(plan.layout.replicas)
        if count not in best or _rate(plan) > _rate(best[count]):
            best[count] = plan
    if len(best) < 2:  # noqa: PLR2004 - one point is no curve
        return
    out = console()
    out.print()
    out.print("tokens/s by the number of whole copies, each at its best")
    figures = ("copies", "PCs", "tokens/s", "first token")
    table = plain_table(*figures, "", right=figures)
    width = max(1, min(_WIDEST, out.width - _FIGURES_COLUMNS))
    most = max(map(_rate, best.values()))
    for count, plan in sorted(best.items()):
        first_token = format_seconds(plan.estimate.first_token_s.mid)
        line = bar(_rate(plan), most, width)
        table.add_row(str(count), str(len(plan.nodes)), format_rate(_rate(plan)), first_token, line)
    out.print(table)


def _rate(plan: Plan) -> float:
    return plan.estimate.output_tokens_per_s.mid
