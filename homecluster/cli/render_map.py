"""Tokens/s over round trip and bandwidth as a map: shaded, the home's own links framed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.markup import escape

from homecluster.cli.render_console import console, plain_table
from homecluster.domain.units import format_link_rate, format_rate, format_seconds
from homecluster.planner.link_places import LinkPlace
from homecluster.planner.ranking import MULTI_PC_MARGIN
from homecluster.planner.sensitivity import Sensitivity

_SHADES = (
    "bright_white on grey11",
    "bright_white on grey15",
    "bright_white on dark_green",
    "bright_white on green4",
    "black on green3",
)
"""From slow to fast; figures that can be read on them, whatever the terminal's background."""
_NAMED_PAIRS = 3


def show_map(found: Sensitivity | None, places: Sequence[LinkPlace]) -> None:
    """A star where one copy over several PCs beats the best single PC, brackets where links of this home lie."""
    out = console()
    out.print()
    if found is None:
        out.print("no copy over several PCs can run, whatever the link")
        return
    out.print("tokens/s of one copy over several PCs, by the link between them")
    titles = ("round trip", *map(format_link_rate, found.bandwidths_bytes_per_s))
    table = plain_table(*titles, right=titles, folds=titles)
    own = {(place.row, place.column) for place in places}
    for row, rates in enumerate(found.tokens_per_s):
        cells = (_cell(rate, found, (row, column) in own) for column, rate in enumerate(rates))
        table.add_row(format_seconds(found.round_trips_s[row]), *cells)
    out.print(table)
    for line in _legend(found, places):
        out.print(f"[dim]{escape(line)}[/]")


def _cell(rate: float, found: Sensitivity, is_own: bool) -> str:
    shown = f"[{format_rate(rate)}]" if is_own else format_rate(rate)
    if _wins(rate, found):
        shown += " *"
    return f"[{_shade(rate, found)}]{escape(shown)}[/]"


def _wins(rate: float, found: Sensitivity) -> bool:
    alone = found.alone_tokens_per_s
    return alone is not None and rate > MULTI_PC_MARGIN * alone


def _shade(rate: float, found: Sensitivity) -> str:
    rates = [one for row in found.tokens_per_s for one in row]
    least, most = math.log(min(rates)), math.log(max(rates))
    part = (math.log(rate) - least) / (most - least) if most > least else 1.0
    return _SHADES[min(len(_SHADES) - 1, int(part * len(_SHADES)))]


def _legend(found: Sensitivity, places: Sequence[LinkPlace]) -> list[str]:
    lines = []
    pairs = [pair for place in places for pair in place.pairs]
    if pairs:
        few = len(pairs) <= _NAMED_PAIRS
        named = ", ".join(f"{a} - {b}" for a, b in pairs) if few else "the links of this home"
        lines.append(f"[ ] {named}, at the nearest figures")
    if any(_wins(rate, found) for row in found.tokens_per_s for rate in row):
        assert found.alone_tokens_per_s is not None
        alone = format_rate(found.alone_tokens_per_s)
        lines.append(f"* more than the {alone} tokens/s of the best copy inside one PC")
    return lines
