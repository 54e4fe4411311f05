"""What commands say on stderr, beside their answer: what they do, warnings, errors."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from typing import Final

import click

from homecluster.cli.output import harmless

_COMMAND: Final = re.compile(r"\b(homecluster|netprobe) [a-z]((?![,;] ).)*")
"""To the end of its part of the sentence."""
_TIED: Final = "\N{NO-BREAK SPACE}"
_HANGING_COLUMNS: Final = 2
_LEAST_COLUMNS: Final = 20


def aside(text: str) -> None:
    """Say it on stderr, at the width of the terminal; whole where there is none."""
    click.echo(fitted(harmless(text), _columns()), err=True)


def progress(doing: str) -> None:
    """Say which step is at work."""
    aside(f"  {doing}")


def fitted(text: str, columns: int | None) -> str:
    """`text` without a word cut in two, and a command to type always on one line, so that it can be copied."""
    if columns is None:
        return text
    return "\n".join(_fitted(line, max(_LEAST_COLUMNS, columns)) for line in text.split("\n"))


def _fitted(line: str, columns: int) -> str:
    if len(line) <= columns:
        return line
    indent = len(line) - len(line.lstrip(" "))
    lines = textwrap.wrap(
        _COMMAND.sub(lambda typed: typed[0].replace(" ", _TIED), line),
        columns,
        subsequent_indent=" " * (indent + _HANGING_COLUMNS),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(_TIED, " ")


def _columns() -> int | None:
    """None where stderr is no terminal, or one that does not tell its width."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or None
    except (OSError, ValueError):
        return None
