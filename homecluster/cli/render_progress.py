"""Progress lines: what is at work, on stderr, gone when it is done or interrupted."""

from __future__ import annotations

from typing import Final

from rich.progress import TextColumn
from rich.table import Column

from homecluster.cli.render_console import Page, console

_ECHO_COLUMNS: Final = 4
_LEAST_COLUMNS: Final = 20


def progress_console() -> Page:
    """On stderr, and narrower than the terminal: `^C` at the end of a full line makes two of it, and one would stay."""
    made = console(stderr=True)
    if made.is_terminal:
        made.width = max(_LEAST_COLUMNS, made.width - _ECHO_COLUMNS)
    return made


def what_happens() -> TextColumn:
    """The part of a progress line that is shortened so that the others are whole."""
    column = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    return TextColumn("{task.description}", table_column=column)
