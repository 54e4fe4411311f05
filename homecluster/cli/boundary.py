"""Errors become a message, a hint and an exit code; nothing reaches the user as a traceback."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

import click

from homecluster.cli.aside import aside
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
        aside(f"error: {without_tokens(error.message)}")
        if error.hint:
            aside(f"  hint: {error.hint}")
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        told = _message(error).removesuffix(".")
        aside(f"error: {told[:1].lower()}{without_tokens(told[1:])}")
        aside(f"  hint: {_hint(error)}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        aside("interrupted")
        return INTERRUPTED
    except (BrokenPipeError, ReaderGoneError):
        sys.stderr.close()  # the reader went away: the interpreter must not complain at exit
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        aside("error: the output cannot be written: no space left on the disk")
        return MissingError.exit_code
    return result if isinstance(result, int) else 0


def _message(error: click.ClickException) -> str:
    """Without what click guesses was meant: that is our hint."""
    return error.message if _meant(error) else error.format_message()


def _meant(error: click.ClickException) -> list[str]:
    """Options or commands of nearly that name, the nearest first; click 8.2 and 8.3 name no command."""
    context, command = getattr(error, "ctx", None), getattr(error, "command_name", "")
    if context is not None and command:
        return get_close_matches(command, context.command.list_commands(context))
    return list(getattr(error, "possibilities", None) or ())


def _hint(error: click.ClickException) -> str:
    if _JOIN_WORD.search(error.message):
        return _SEEN_BY_ALL
    context = error.ctx if isinstance(error, click.UsageError) else None
    shown = f"{context.command_path if context else 'homecluster'} --help"
    meant = _meant(error)
    return f"did you mean {meant[0]}? {shown} lists all" if meant else shown


def without_tokens(text: str) -> str:
    """`text` without the secrets of join tokens that were typed in a wrong place."""
    return _JOIN_WORD.sub("hc1.…", text)
