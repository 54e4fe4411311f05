"""Errors become a message, a hint and an exit code; nothing reaches the user as a traceback."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

import click

from homecluster.cli.output import harmless
from homecluster.errors import HomeclusterError, MissingError

INTERRUPTED = 130
PIPE_CLOSED = 141


class ReaderGoneError(Exception):
    """Nobody reads the output any more; no OSError, since click ends those with code 1."""


def run(command: Callable[[], object]) -> int:
    """Exit code of `command`, its deliberate errors already told on stderr."""
    try:
        result = command()
    except HomeclusterError as error:
        click.echo(f"error: {harmless(error.message)}", err=True)
        if error.hint:
            click.echo(f"  hint: {harmless(error.hint)}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except (BrokenPipeError, ReaderGoneError):
        sys.stderr.close()  # the reader went away: the interpreter must not complain at exit
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        click.echo("error: the output cannot be written: no space left on the disk", err=True)
        return MissingError.exit_code
    return result if isinstance(result, int) else 0
