"""One line of `doctor`: what was looked at, whether it will do, and what to do if not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    """Works, with less than it could, or only for some of what homecluster does."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    id: str
    """Names the check in documents and docs/troubleshooting.md."""
    mark: Mark
    says: str
    """One sentence with what was found."""
    fix: str = ""
    """What a person does about it; empty when it passes."""
    mends: str | None = None
    """Id of the act by which `doctor --fix` mends it; None: only a person should."""


def passed(id: str, says: str) -> Check:  # noqa: A002 - the word of the document
    return Check(id=id, mark=Mark.PASS, says=says)


def warned(id: str, says: str, fix: str, *, mends: str | None = None) -> Check:  # noqa: A002 - as above
    return Check(id=id, mark=Mark.WARN, says=says, fix=fix, mends=mends)


def failed(id: str, says: str, fix: str, *, mends: str | None = None) -> Check:  # noqa: A002 - as above
    return Check(id=id, mark=Mark.FAIL, says=says, fix=fix, mends=mends)
