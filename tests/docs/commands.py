"""The command lines that the documentation shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^ {2,4}((?:homecluster|netprobe) [a-z].*)$", re.MULTILINE)
_OURS = re.compile(r"^(?:sudo )?((?:homecluster|netprobe)\b.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    page: str
    argv: tuple[str, ...]

    @property
    def line(self) -> str:
        return shlex.join(self.argv)


def pages() -> list[Path]:
    """Everything that people read; decisions are history."""
    found = [
        ROOT / "README.md",
        *sorted(ROOT.glob("README.*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return [page for page in found if "decisions" not in page.parts]


def shown_lines(page: Path) -> Iterator[str]:
    """What follows each `$ ` of each console block, as one line; of the pages of `--help` their examples."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    if page.name == "cli.md":
        yield from _EXAMPLE.findall(text)
    for block in _BLOCK.findall(text):
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))


def shown_commands() -> Iterator[Shown]:
    """Each `homecluster …` and `netprobe …`; several on one line come one by one."""
    for page in pages():
        for line in shown_lines(page):
            if (match := _OURS.match(line)) is not None:
                for part in match[1].split(";"):
                    yield from _one(page, part)


def _one(page: Path, text: str) -> Iterator[Shown]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    argv: list[str] = []
    for word in lexer:
        if word in {"|", "&", "&&", "||", "<", ">", ">>", "2>"}:
            break
        argv.append(word)
    if argv and argv[0] in {"homecluster", "netprobe"}:
        yield Shown(page=page.relative_to(ROOT).as_posix(), argv=tuple(argv))
