"""The one way in which commands print to people; the first module that loads rich."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from homecluster.cli.aside import fitted
from homecluster.cli.output import harmless
from homecluster.cli.render_records import needed_columns, records

_PIPED_COLUMNS = 160
"""Sentences stay whole when nobody looks."""
_HANGING_COLUMNS = 2
_LEAST_COLUMNS = 20


class Page(Console):
    """What people read, at the width that their terminal has."""

    def print(self, *objects: Any, **options: Any) -> None:
        """A sentence that begins indented goes on indented, a little further; no table is cut."""
        if len(objects) == 1 and isinstance(objects[0], Table) and objects[0].show_header:
            (table,) = objects
            objects = (table if needed_columns(self, table) <= self.width else records(table),)
        if len(objects) == 1 and isinstance(objects[0], str) and not options.get("soft_wrap"):
            text = self.render_str(objects[0])
            indent = len(text.plain) - len(text.plain.lstrip(" "))
            if indent and "\n" not in text.plain:
                objects = (self.hung(text, indent + _HANGING_COLUMNS),)
        super().print(*objects, **options)

    def hung(self, text: Text, indent: int) -> Text:
        """`text` on as many lines as it takes, all but the first `indent` columns to the right."""
        first, *others = text.wrap(self, max(_LEAST_COLUMNS, self.width))
        if not others:
            return text
        rest = text[len(first.plain) :]
        rest = rest[len(rest.plain) - len(rest.plain.lstrip(" ")) :]
        lines = rest.wrap(self, max(_LEAST_COLUMNS, self.width - indent))
        return Text("\n").join([first, *(Text(" " * indent) + line for line in lines)])

    def say(self, sentence: str, style: str = "") -> None:
        """A sentence with a command to type, which stays on one line; no markup."""
        text = fitted(sentence, self.width if self.is_terminal else None)
        super().print(Text(text, style=style), soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """A reader that went away is left to the boundary; rich's own way is exit code 1, which here means "no"."""
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


def console(*, stderr: bool = False) -> Page:
    """A console that keeps sentences whole when its output is not a terminal and COLUMNS does not tell a width."""
    made = Page(stderr=stderr, highlight=False)
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
