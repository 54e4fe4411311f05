from __future__ import annotations

import click
import pytest

from homecluster.cli.main import VERBS, cli
from netprobe.cli.main import cli as netprobe
from tests.cli.shell import run
from tests.docs.commands import ROOT, Shown, shown_commands

SHOWN = sorted(set(shown_commands()), key=lambda one: (one.page, one.line))
OFFLINE = [
    one
    for one in SHOWN
    if one.argv[:2] in {("homecluster", "plan"), ("homecluster", "diagnose")}
    and "--cluster" in one.argv
    and (ROOT / one.argv[one.argv.index("--cluster") + 1]).exists()
    and "--picture" not in one.argv
]


def parsed(argv: tuple[str, ...]) -> None:
    """Read the flags as the command would, without running it."""
    command: click.Command = cli if argv[0] == "homecluster" else netprobe
    words = list(argv[1:])
    name = argv[0]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no command {name!r}"
        command = found
    if {"--help", "-h", "--version"} & set(words):
        return
    command.make_context(name, words, help_option_names=["-h", "--help"])  # as the group gives it


@pytest.mark.parametrize("shown", SHOWN, ids=lambda one: f"{one.page}: {one.line[:60]}")
def test_every_command_of_the_docs_is_one_that_can_be_typed(shown: Shown) -> None:
    parsed(shown.argv)


@pytest.mark.parametrize("shown", OFFLINE, ids=lambda one: f"{one.page}: {one.line[:60]}")
def test_what_needs_no_hardware_runs_as_written(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    ended = run(*shown.argv[1:])
    assert ended.code in {0, 1}, ended.err


def test_the_readme_is_read() -> None:
    assert {one.page for one in SHOWN} >= {"README.md"}
    assert {one.argv[1] for one in SHOWN if one.argv[0] == "homecluster"} <= set(VERBS)
