"""docs/cli.md, made from the help of every verb; `python -m tests.docs.reference` writes it."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import click

from homecluster.cli.main import VERBS, cli
from netprobe.cli.main import cli as netprobe

TARGET = Path(__file__).parents[2] / "docs" / "cli.md"
_WIDTH = 100
_EXIT_CODES = (
    "Exit codes: 0 yes · 1 ran, and the answer is no · 2 wrong input · 3 something here is missing · "
    "4 a peer · 5 the launch failed · 130 interrupted."
)


def reference() -> str:
    """The whole page."""
    parts = [
        "# Commands",
        "",
        "Made from `--help` by `python -m tests.docs.reference`; a test keeps it in step.",
        "",
        _EXIT_CODES,
    ]
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        parts += _sections(command, f"homecluster {verb}", 2)
    parts += _sections(netprobe, "netprobe", 2)
    return "\n".join(parts) + "\n"


def _sections(command: click.Command, name: str, level: int) -> list[str]:
    context = click.Context(
        command,
        info_name=name,
        max_content_width=_WIDTH,
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],  # as the group gives it
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    parts = ["", f"{'#' * level} {name}", "", "```text", text, "```"]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            parts += _sections(found, f"{name} {inner}", level + 1)
    return parts


def plain_reference() -> str:
    """As it is whatever the terminal and home of whoever makes it."""
    with patch.dict(os.environ, {"HOMECLUSTER_HOME": "/home/you/.local/share/homecluster"}):
        return reference()


if __name__ == "__main__":
    TARGET.write_text(plain_reference())
