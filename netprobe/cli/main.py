"""The command group, and how errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from netprobe import __version__
from netprobe.cli.matrix import matrix
from netprobe.cli.run import run
from netprobe.cli.serve import serve
from netprobe.errors import NetprobeError

_INTERRUPTED = 130
_PIPE_CLOSED = 141


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="netprobe")
def cli() -> None:
    r"""Measure what a link between two PCs really does, each way, in seconds.

    \b
    On one PC:    netprobe serve --token-file F
    On the other: netprobe run HOST --token-file F
    """


cli.add_command(serve)
cli.add_command(run)
cli.add_command(matrix)


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
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: the interpreter must not complain at exit
        return _PIPE_CLOSED
    return result if isinstance(result, int) else 0
