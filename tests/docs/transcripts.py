"""What the README shows of commands that need no hardware; `python -m tests.docs.transcripts` writes it anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.cli.shell import run
from tests.docs.commands import ROOT

COLUMNS = 100
_BLOCK = re.compile(r"^```console\n\$ (homecluster [^\n#;]*--cluster docs/[^\n#;]*)\n(.+?)^```", re.MULTILINE | re.DOTALL)  # fmt: skip
"""One command and what it printed."""


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted(ROOT.glob("README.*.md"))]


def transcripts(page: Path) -> Iterator[tuple[str, str]]:
    """(command, what the page says it prints)."""
    yield from _BLOCK.findall(page.read_text("utf-8"))


def printed(command: str) -> str:
    """What it prints now, in a terminal of ordinary width."""
    return run(*command.split()[1:], columns=COLUMNS).out


def main() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        for command, shown in transcripts(page):
            text = text.replace(f"$ {command}\n{shown}", f"$ {command}\n{printed(command)}")
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
