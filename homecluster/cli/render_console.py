"""The one way in which commands print to people; the first module that loads rich."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from homecluster.cli.output import harmless

_PIPED_COLUMNS = 160
"""Sentences stay whole when nobody looks."""


class _Console(Console):
    """Leaves a reader that went away to the boundary; rich's own way is exit code 1, which here means "no"."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Without control characters in the text: a foreign PC's name must not steer the terminal."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(harmless(segment.text), segment.style)


def console(*, stderr: bool = False) -> Console:
    """A console that keeps sentences whole when its output is not a terminal and COLUMNS does not tell a width."""
    made = _Console(stderr=stderr, highlight=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdecimal():
        made.width = _PIPED_COLUMNS
    return made


def plain_table(*titles: str, right: Iterable[str] = (), folds: Iterable[str] = ()) -> Table:
    """A table without lines, as all of ours are.

    Args:
        titles: of the columns.
        right: those with figures.
        folds: those that may take several lines where the terminal is narrow; the others stay whole.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    figures, texts = frozenset(right), frozenset(folds)
    for title in titles:
        table.add_column(
            title,
            justify="right" if title in figures else "left",
            no_wrap=title not in texts,
            overflow="fold",
        )
    return table
