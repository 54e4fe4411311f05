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
_COMPLETION = """\
## Completion by Tab

- bash, in `~/.bashrc`: `eval "$(_HOMECLUSTER_COMPLETE=bash_source homecluster)"`
- zsh, in `~/.zshrc`: `eval "$(_HOMECLUSTER_COMPLETE=zsh_source homecluster)"`
- fish, in `~/.config/fish/config.fish`: `_HOMECLUSTER_COMPLETE=fish_source homecluster | source`"""
_EXIT_CODES = """\
## Exit codes

| code | means | such as |
|---|---|---|
| 0 | yes | |
| 1 | it ran, and the answer is no: no other word would change it | no layout fits; `diagnose` names a cause; a line of `doctor` fails |
| 2 | another word would do: what was typed, or written in a file, is wrong | an unknown flag, model, PC or job; a damaged document |
| 3 | the command is right, and this PC lacks something; the hint says how to get it | no engine, disk space or free port; no job runs; it is in no cluster |
| 4 | another PC did not do its part | it does not answer, or refuses |
| 5 | the launch failed; the hint says where the log is | the engine did not come up, or did not stay up |
| 130 | interrupted | Ctrl-C |"""


def reference() -> str:
    """The whole page."""
    parts = [
        "# Commands",
        "",
        "Made from `--help` by `python -m tests.docs.reference`; a test keeps it in step.",
        "",
        _EXIT_CODES,
        "",
        _COMPLETION,
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
