"""The command group; a verb's module is imported only when that verb is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Final

import click
from click.shell_completion import CompletionItem

from homecluster import __version__
from homecluster.cli import boundary

VERBS: Final = {
    "join": "Make this PC a member of a cluster, or start its agent again.",
    "token": "Make a join token for one more PC.",
    "nodes": "List the members of this PC's cluster and how they are.",
    "revoke": "Put a PC out of the cluster.",
    "leave": "Take this PC out of its cluster.",
    "service": "Keep this PC's agent running: the systemd unit, or what else to do.",
    "probe": "Measure this PC's devices, or a cluster's devices and links.",
    "plan": "Predict tokens/s of every layout, and say whether several PCs pay.",
    "up": "Launch the best plan for this PC and print where it answers.",
    "down": "End a job and everything of it.",
    "status": "Say which jobs run, and how the last one ended.",
    "logs": "Print the engine's log.",
    "bench": "Measure the running job and print it beside the prediction.",
    "engine": "Install, list and remove the pinned vLLM environments.",
    "diagnose": "Say what holds a job, cluster or plan back, in figures, with remedies.",
    "doctor": "Check this PC's installation, line by line, with what to do.",
    "run": "Repeat an experiment from a recipe file.",
    "recipes": "List the bundled experiments.",
    "dashboard": "Show home, links, plans and the running job on a live page.",
    "report": "Write the home, its links, plans and troubles as one HTML page.",
}
"""Verb -> its one-line help; the module is `homecluster.cli.VERB` and holds a click command of that name."""

_POLITE: Final = 10
"""Of 19: a tenth of a core's time where everything is busy, all of it where a core is free."""


class _Verbs(click.Group):
    """Lists verbs without importing them: `homecluster --help` stays instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f"homecluster.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise boundary.ReaderGoneError from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs by their one line here, so that Tab imports none of them."""
        verbs = [CompletionItem(verb, help=does) for verb, does in VERBS.items()]
        return [
            one for one in verbs if one.value.startswith(incomplete)
        ] + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="homecluster")
def cli() -> None:
    """Measure, plan, launch and explain language models on unlike home PCs.

    \b
    Start with:
      homecluster plan --model gpt2     how fast, on what, and is one PC enough?
      homecluster up --model gpt2       launch that plan
    """  # noqa: D301 - click looks for the backspace itself


def give_way() -> None:
    """Let the job that is watched go first: loading ourselves takes half a second of a core."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(_POLITE)


def main() -> None:
    """Run the command line and exit with its code."""
    # What we start by `python -m` must not find its modules in the folder where the user happens to be.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.umask(os.umask(0o077) | 0o022)  # WSL may start with 0: anybody might write what we make
    if sys.argv[1:2] == ["diagnose"]:
        give_way()
    sys.exit(boundary.run(lambda: cli.main(standalone_mode=False)))
