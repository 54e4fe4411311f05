"""Links as people read them: now, and over time as a line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.markup import escape

from homecluster.cli.blocks import sparkline
from homecluster.cli.render_console import console, plain_table
from homecluster.domain.topology import Link
from homecluster.domain.units import format_link_rate, format_seconds
from homecluster.store.link_log import LinkPoint

_WIDTH = 24
_WATCH = "agent"
"""The method whose points come at even times."""


def show_links(links: Sequence[Link], history: Sequence[LinkPoint]) -> None:
    """A row for each direction; the lines are this PC's own watch, so other PCs' links have none here."""
    out = console()
    out.print()
    if not links:
        out.print("no link was measured yet; measure them: homecluster probe")
        return
    titles = ("link", "round trip", "bandwidth", "shares", "round trip over time")
    table = plain_table(*titles, right=titles[1:3], folds=("link", "round trip over time"))
    for link in links:
        table.add_row(
            escape(f"{link.src} → {link.dst}"),
            format_seconds(link.rtt_s),
            format_link_rate(link.bandwidth_bytes_per_s),
            escape(link.medium or "-"),
            _over_time([one for one in history if (one.src, one.dst) == (link.src, link.dst)]),
        )
    out.print(table)
    out.print("[dim]over time: what this PC's agent notes every five minutes[/]")


def _over_time(points: Sequence[LinkPoint]) -> str:
    watched = [one for one in points if one.method == _WATCH and one.rtt_s is not None]
    if len(watched) < 2:  # noqa: PLR2004 - one point is no line
        return "[dim]-[/]"
    trips = [one.rtt_s or 0.0 for one in watched]
    since = datetime.fromisoformat(watched[0].at).astimezone()
    return (
        f"{sparkline(trips, _WIDTH)} {format_seconds(min(trips))} - {format_seconds(max(trips))}, "
        f"since {since:%d %b %H:%M}"
    )
