"""What was found: a row for each remedy that was applied, kept as it comes, and the table in docs/diagnose.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parents[1] / "results" / "remedies.json"
SCHEMA: Final = "homecluster.remedies/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One remedy that was applied, in tokens per second."""

    trouble: str
    named: str | None
    """The first cause that `diagnose` named."""
    cause: str
    """The one whose remedy was applied."""
    remedy: str
    before: float
    after: float
    said: float | None
    """What `diagnose` said that it would gain; None: it did not name that cause."""

    @property
    def gained(self) -> float:
        return self.after - self.before

    @property
    def key(self) -> tuple[str, str]:
        return self.trouble, self.remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Hotspot:
    """What was said of tensor parallel over the hotspot, for the layouts that are started instead."""

    named: str | None
    before: float
    said: Mapping[str, float]
    """Remedy -> tokens per second that it would gain."""
    argv: tuple[str, ...]
    """The command that was printed."""


def kept() -> list[Row]:
    return [Row(**one) for one in _document()["rows"]]


def is_kept(trouble: str, remedy: str) -> bool:
    return (trouble, remedy) in {row.key for row in kept()}


def keep(row: Row) -> None:
    """The first result of a case stays."""
    print(row, flush=True)
    if not is_kept(*row.key):
        document = _document()
        _write(document | {"rows": [*document["rows"], asdict(row)]})


def hotspot() -> Hotspot | None:
    found = _document().get("hotspot")
    return None if found is None else Hotspot(**found | {"argv": tuple(found["argv"])})


def keep_hotspot(seen: Hotspot) -> None:
    _write(_document() | {"hotspot": asdict(seen)})


def _document() -> dict[str, Any]:
    if not RESULTS.exists():
        return {"schema": SCHEMA, "rows": []}
    document: dict[str, Any] = json.loads(RESULTS.read_text())
    return document


def _write(document: Mapping[str, Any]) -> None:
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


def table(rows: list[Row]) -> str:
    lines = [
        "| trouble | named first | remedy applied | before | after | gained | said |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        named = f"`{row.named}`" if row.named else "healthy"
        said = f"`{row.cause}` not named" if row.said is None else f"{row.said:.3g}"
        lines.append(
            f"| {row.trouble} | {named} | {row.remedy} | {row.before:.3g} | {row.after:.3g} "
            f"| {row.gained:.3g} | {said} |"
        )
    return "\n".join(lines)
