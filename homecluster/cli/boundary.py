"""Errors become a message, a hint and an exit code; nothing reaches the user as a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from homecluster.errors import HomeclusterError

INTERRUPTED = 130
PIPE_CLOSED = 141


def run(command: Callable[[], object]) -> int:
    """Exit code of `command`, its deliberate errors already told on stderr."""
    try:
        result = command()
    except HomeclusterError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: the interpreter must not complain at exit
        return PIPE_CLOSED
    return result if isinstance(result, int) else 0
