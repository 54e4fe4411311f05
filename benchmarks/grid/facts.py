"""What the grid keeps: measured rows, probed PCs and probed links, appended as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.grid.cells import Load, Start, links_of, loads_of

FOLDER: Final = Path(__file__).parents[1] / "results" / "grid"
ROWS, STARTS = "rows.jsonl", "starts.jsonl"
DEVICES, LINKS = "devices.json", "links.json"

Row = dict[str, Any]


def append(file: str, row: Row) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / file).open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def rows(file: str = ROWS) -> list[Row]:
    path = FOLDER / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def known(file: str) -> dict[str, Any]:
    """What was probed, by name."""
    path = FOLDER / file
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(file: str, name: str, value: Any) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(known(file) | {name: value}, indent=1)
    (FOLDER / file).write_text(text + "\n", encoding="utf-8")


def key_of(start: Start, link: str, load: Load) -> Row:
    return {
        "start": start.name,
        "link": link,
        "requests": load.requests,
        "prompt_tokens": load.prompt_tokens,
    }


def missing(start: Start) -> list[tuple[str, Load]]:
    """(link, load) of this start without a row, link by link."""
    done = {cell_of(row) for row in rows()}
    return [
        (link, load)
        for link in links_of(start)
        for load in loads_of(start)
        if cell_of(key_of(start, link, load)) not in done
    ]


def cell_of(row: Row) -> tuple[Any, ...]:
    """What was measured, whenever that was."""
    return tuple(row[name] for name in ("start", "link", "requests", "prompt_tokens"))


def failures(start: Start) -> int:
    """Times that it did not come up."""
    return sum("failed" in row and row["start"] == start.name for row in rows(STARTS))


def newest(found: Iterable[Row]) -> list[Row]:
    """The last row of each cell that was measured."""
    return list({cell_of(row): row for row in found if row["rounds"]}.values())


def repeats(found: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Cells that were measured more than once, hours apart: (first, last)."""
    runs: dict[tuple[Any, ...], list[Row]] = {}
    for row in found:
        if row["rounds"]:
            runs.setdefault(cell_of(row), []).append(row)
    return [(same[0], same[-1]) for same in runs.values() if len(same) > 1]
