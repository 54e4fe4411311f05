"""The one document that `--json` prints."""

from __future__ import annotations

import json
from typing import Any

import click


def print_document(document: dict[str, Any]) -> None:
    """Print it on stdout and nothing else; numbers that are not finite would be our bug."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def harmless(text: str) -> str:
    """`text` without the control characters with which a foreign name could steer the terminal."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text
    )
