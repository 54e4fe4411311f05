"""Errors become a message, a hint and an exit code; nothing reaches the user as a traceback."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from typing import Final

import click

from homecluster.cli.output import harmless
from homecluster.errors import HomeclusterError, MissingError

INTERRUPTED = 130
PIPE_CLOSED = 141


_JOIN_WORD: Final = re.compile(r"hc1\.[\w.-]+")
_SEEN_BY_ALL: Final = (
    "a token typed on a command line is seen by every user of this PC and kept by the shell: "
    "make a new one, and type `homecluster join` alone, which asks for it."
)


class ReaderGoneError(Exception):
    """Nobody reads the output any more; no OSError, since click ends those with code 1."""


def run(command: Callable[[], object]) -> int:
    """Exit code of `command`, its deliberate errors already told on stderr."""
    try:
        result = command()
    except HomeclusterError as error:
        click.echo(f"error: {harmless(without_tokens(error.message))}", err=True)
        if error.hint:
            click.echo(f"  hint: {harmless(error.hint)}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        told = error.format_message().removesuffix(".")
        click.echo(f"error: {told[:1].lower()}{without_tokens(told[1:])}", err=True)
        click.echo(f"  hint: {_hint(error)}", err=True)
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


def _hint(error: click.ClickException) -> str:
    if _JOIN_WORD.search(error.message):
        return _SEEN_BY_ALL
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'homecluster'} --help"


def without_tokens(text: str) -> str:
    """`text` without the secrets of join tokens that were typed in a wrong place."""
    return _JOIN_WORD.sub("hc1.…", text)
