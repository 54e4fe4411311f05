"""Runs the command line in this process, with the boundary that turns errors into exit codes."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homecluster.cli import boundary
from homecluster.cli.main import cli

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


_STYLE = ("FORCE_COLOR", "COLUMNS", "LINES", "TERM")
"""What a developer's or a server's terminal would change in the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on stdout."""
        return json.loads(self.out)


def run(*arguments: str | Path, columns: int | None = None) -> Ran:
    """What `homecluster ARGUMENTS` prints and returns; an error that is our bug comes out as it is.

    `columns` is what a terminal of that width would tell.
    """
    out, err = io.StringIO(), io.StringIO()
    argv = [str(argument) for argument in arguments]
    plain = {key: value for key, value in os.environ.items() if key not in _STYLE}
    if columns is not None:
        plain["COLUMNS"] = str(columns)
    with redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, plain, clear=True):
        code = boundary.run(lambda: cli.main(argv, standalone_mode=False))
    return Ran(code=code, out=out.getvalue(), err=err.getvalue())
