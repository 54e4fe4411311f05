"""One call of pip inside an environment: its progress as values, its failure in its own words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

QUIET_LIMIT_S = 120
"""pip's time-out for one answer of the registry; it asks five times."""
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FETCHED = re.compile(r"(?:Downloading|Using cached|Processing) (\S+)")
_KEPT_LINES = 40
_NETWORK_WORDS: Final = (
    "Timeout",
    "timed out",
    "ConnectionError",
    "NewConnectionError",
    "Temporary failure in name resolution",
    "ProxyError",
    "SSLError",
    "Max retries",
)
_ABSENT_WORDS: Final = ("No matching distribution", "Could not find a version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """A file is being downloaded or unpacked; bytes are 0 where pip does not say."""

    file: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PipFailure:
    """What pip said last, and which kind of trouble that is."""

    line: str
    trouble: str
    """`absent`, `network`, `disk` or `other`."""


def install(
    python: Path,
    arguments: tuple[str, ...],
    *,
    shows_progress: bool,
    tell: Callable[[Fetching], None],
) -> PipFailure | None:
    """Install exactly what is asked for into `python`'s environment; None when it worked.

    `shows_progress` needs pip 24.1.
    """
    bar = "raw" if shows_progress else "off"
    argv = (
        *(str(python), "-m", "pip", "install", "--no-deps"),
        *("--only-binary", ":all:", "--progress-bar", bar, "--timeout", str(QUIET_LIMIT_S)),
        *("--disable-pip-version-check", "--no-input", "--no-warn-script-location"),
        *arguments,
    )
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = _follow(process.stdout, tell)
        except BaseException:
            process.terminate()
            raise
    return None if process.returncode == 0 else failure_of(said)


def _follow(output: Iterator[str], tell: Callable[[Fetching], None]) -> list[str]:
    file = ""
    said: list[str] = []
    for line in map(str.strip, output):
        if fetched := _FETCHED.match(line):
            file = fetched[1].rpartition("/")[2]
            tell(Fetching(file=file, done_bytes=0, total_bytes=0))
        elif progress := _PROGRESS.match(line):
            tell(Fetching(file=file, done_bytes=int(progress[1]), total_bytes=int(progress[2])))
        else:
            said = [*said, line][-_KEPT_LINES:]
    return said


def failure_of(said: list[str]) -> PipFailure:
    """The line that says what is wrong, and what kind of trouble it is."""
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    line = errors[-1] if errors else next((line for line in reversed(said) if line), "pip failed")
    text = "\n".join(said)
    if "No space left" in text:
        return PipFailure(line=line, trouble="disk")
    if any(word in text for word in _NETWORK_WORDS):
        return PipFailure(line=line, trouble="network")
    if any(word in text for word in _ABSENT_WORDS):
        return PipFailure(line=line, trouble="absent")
    return PipFailure(line=line, trouble="other")
