"""What a table becomes where the terminal is too narrow for it: its rows one after the other, nothing left out."""

from __future__ import annotations

from rich.console import Console, Group
from rich.measure import Measurement
from rich.styled import Styled
from rich.table import Column, Table

_UNBOUNDED = 10_000
_BETWEEN_COLUMNS = 2
_LEAST_FOLDED_COLUMNS = 10


def needed_columns(console: Console, table: Table) -> int:
    """The width at which `table` cuts nothing: what folds may shrink to its longest word, the rest not at all."""
    widths = [_needed(console, column) for column in table.columns]
    return sum(widths) + _BETWEEN_COLUMNS * (len(widths) - 1)


def _needed(console: Console, column: Column) -> int:
    unbounded = console.options.update(max_width=_UNBOUNDED)
    cells = [Measurement.get(console, unbounded, one) for one in (column.header, *column.cells)]
    longest = max(one.maximum for one in cells)
    if column.no_wrap:
        return longest
    return min(longest, max(_LEAST_FOLDED_COLUMNS, *(one.minimum for one in cells)))


def records(table: Table) -> Group:
    """Each row as its first cell, and below it the others that hold something, with their titles."""
    blocks = []
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        below = Table(box=None, pad_edge=False, show_header=False)
        below.add_column(style="dim", no_wrap=True)
        below.add_column(overflow="fold")
        for column, cell in zip(table.columns[1:], others, strict=True):
            if cell:
                below.add_row(f"  {column.header}", cell)
        blocks.append(Group(Styled(first, "bold"), below))
    return Group(*blocks)
