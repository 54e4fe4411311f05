"""The command group, and how errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

import click

from netprobe import __version__
from netprobe.errors import NetprobeError

VERBS: Final = ("serve", "run", "matrix")
"""Each is a click command of that name in `netprobe.cli.VERB`."""
_INTERRUPTED = 130
_PIPE_CLOSED = 141


class _Verbs(click.Group):
    """Imports a verb's module only when it is called: `--help` is instant, and Ctrl-C always clean."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f"netprobe.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netprobe")
def cli() -> None:
    """Measure what a link between two PCs really does, each way, in seconds.

    \b
    On one PC:    netprobe serve --token-file FILE
    On the other: netprobe run HOST --token-file FILE
    """  # noqa: D301 - click looks for the backspace itself


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(_code(lambda: cli.main(standalone_mode=False)))


def _code(command: Callable[[], object]) -> int:
    try:
        result = command()
    except NetprobeError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        told = error.format_message().removesuffix(".")
        click.echo(f"error: {told[:1].lower()}{told[1:]}", err=True)
        context = error.ctx if isinstance(error, click.UsageError) else None
        click.echo(f"  hint: {context.command_path if context else 'netprobe'} --help", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: the interpreter must not complain at exit
        return _PIPE_CLOSED
    return result if isinstance(result, int) else 0
