"""How often the first cause is right: `python -m benchmarks.diagnosis [--lab]` writes the tables into docs/diagnose.md.

Without --lab, troubles are injected into what is seen of two homes: every cause, and pairs; that is
deterministic and takes seconds. With --lab real clusters of emulated PCs are harmed, one cell after the
other, and looked at again once that is undone. Results go to benchmarks/results/diagnosis.json as they
come: the first one of a cell stays. It needs root, goes on where it stopped, and takes about half an hour in all.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.planner.causes.homes import HOMES, alone, both
from tests.planner.causes.troubles import PAIRS, TROUBLES

if TYPE_CHECKING:
    from tests.cluster.diagnosed import Cell
    from tests.cluster.lab_site import Site

PAGE = Path(__file__).parents[1] / "docs" / "diagnose.md"
RESULTS = Path(__file__).parent / "results" / "diagnosis.json"
SCHEMA = "homecluster.diagnosis-cells/1"
MARKS = ("<!-- diagnosis table -->", "<!-- end of diagnosis table -->")

AUTHORS = (
    "Rules and injections were written by the same people: this shows that the rules tell the troubles apart, "
    "not how often strangers' troubles are found."
)
MOST_PLACES = 6
LAB = "Made in emulated homes with running clusters, and typed `homecluster diagnose`"
SEEN = "Injected into the figures that are seen of two homes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One injection, and what was named first."""

    where: str
    trouble: str
    expected: str | None
    named: str | None

    @property
    def is_right(self) -> bool:
        return self.named == self.expected


def seen_rows() -> Iterator[Row]:
    """Every trouble, every pair and no trouble, in what is seen of each home."""
    for home, build in HOMES.items():
        for trouble, (expected, apply) in TROUBLES.items():
            yield Row(
                where=home, trouble=trouble, expected=expected, named=first(apply(build()).ids())
            )
        for (one, other), expected in PAIRS.items():
            apply_both = both(TROUBLES[one][1], TROUBLES[other][1])
            named = first(apply_both(build()).ids())
            yield Row(where=home, trouble=f"{one}, {other}", expected=expected, named=named)
    for build in (*HOMES.values(), alone):
        yield Row(where=build.__name__, trouble="none", expected=None, named=first(build().ids()))


def kept_rows() -> list[Row]:
    """What `--lab` found so far."""
    if not RESULTS.exists():
        return []
    return [Row(**row) for row in json.loads(RESULTS.read_text())["rows"]]


def run_lab(limit_s: float, where_only: str, trouble_only: str, kind: str) -> None:
    """Harm real clusters of emulated PCs, cell by cell, and look again once it is undone.

    What is kept already is skipped: the first result of a cell counts.
    """
    from tests.cluster.diagnosed import lab_cells, site  # noqa: PLC0415 - needs the lab

    until_s = time.monotonic() + limit_s
    done = {(row.where, row.trouble) for row in kept_rows()}
    todo: dict[str, list[Cell]] = {}
    for cell in lab_cells():
        named = where_only in cell.where and trouble_only in cell.trouble
        wanted = named and kind in ("all", "links" if cell.measures else "rest")
        if wanted and (cell.where, cell.trouble) not in done:
            todo.setdefault(cell.where, []).append(cell)
    for cells in todo.values():
        if time.monotonic() > until_s:
            return
        with site(cells[0].plan(), *cells[0].join, wsl=cells[0].wsl) as home:
            for cell in cells:
                if time.monotonic() > until_s:
                    return
                for row in looks(cell, home):
                    print(row, flush=True)
                    keep(row)


def looks(cell: Cell, home: Site) -> Iterator[Row]:
    """One at the harmed home, one after the harm is undone; nothing where the harm could not be done."""
    from tests.cluster.lab_site import causes  # noqa: PLC0415 - needs the lab

    try:
        with cell.harm(home) as arguments:
            named = first(causes(home, arguments))
        yield Row(where=cell.where, trouble=cell.trouble, expected=cell.expected, named=named)
        if cell.heals:
            again = f"{cell.where}, after: {cell.trouble}"
            yield Row(where=again, trouble="none", expected=None, named=first(causes(home, ())))
    except (AssertionError, subprocess.SubprocessError) as error:
        print(f"{cell.where}: {cell.trouble}: not done: {error}", flush=True)


def keep(row: Row) -> None:
    """Beside what is kept by now: several of these may run at the same time."""
    folder = os.open(RESULTS.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        document = {"schema": SCHEMA, "rows": [asdict(one) for one in (*kept_rows(), row)]}
        RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    finally:
        os.close(folder)


def first(ids: list[str]) -> str | None:
    return next(iter(ids), None)


def table(rows: list[Row], heading: str) -> str:
    """A summary, and a line for each trouble."""
    troubled = [row for row in rows if row.expected is not None]
    healthy = [row for row in rows if row.expected is None]
    right = sum(row.is_right for row in troubled)
    alarms = sum(not row.is_right for row in healthy)
    counted = (
        f"{heading}: {right} of {len(troubled)} were named first by the right cause; "
        f"{alarms} of {len(healthy)} looks at healthy homes raised an alarm."
    )
    lines = [counted, "", "| trouble | must be called | was called |", "| --- | --- | --- |"]
    for trouble, expected in dict.fromkeys((row.trouble, row.expected) for row in rows):
        alike = [row for row in rows if (row.trouble, row.expected) == (trouble, expected)]
        lines.append(f"| {trouble} | {expected or 'healthy'} | {called(alike)} |")
    return "\n".join(lines)


def only_in_figures(lab: list[Row], seen: list[Row]) -> str:
    """Which causes were never made on running PCs."""
    made = {row.expected for row in lab}
    left = dict.fromkeys(row.expected for row in seen if row.expected not in made)
    names = ", ".join(f"`{name}`" for name in left if name)
    return f"Never made on running PCs so far: {names}."


def not_made(lab: list[Row]) -> str:
    """Cells without a result, home by home."""
    from tests.cluster.diagnosed import lab_cells  # noqa: PLC0415 - as above

    done = {(row.where, row.trouble) for row in lab}
    left: dict[str, list[str]] = {}
    for cell in lab_cells():
        if (cell.where, cell.trouble) not in done:
            left.setdefault(cell.where, []).append(cell.trouble)
    if not left:
        return "Every cell was made."
    homes = "; ".join(f"{where}: {', '.join(troubles)}" for where, troubles in left.items())
    return f"Cells that are not made yet: {homes}."


def called(rows: list[Row]) -> str:
    """`right: cable, wifi`, and what else it was called where."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault("right" if row.is_right else (row.named or "healthy"), []).append(
            row.where
        )
    return "; ".join(f"{what}: {_places(places)}" for what, places in found.items())


def _places(places: list[str]) -> str:
    return ", ".join(places) if len(places) <= MOST_PLACES else f"{len(places)} looks"


def write_between(page: Path, marks: tuple[str, str], text: str) -> None:
    """Put the text in the place of what stands between the two marks."""
    begin, end = marks
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", action="store_true", help="first go on with emulated homes")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="start no cell after that")
    parser.add_argument("--where", default="", help="only homes whose name holds this")
    parser.add_argument("--trouble", default="", help="only troubles whose name holds this")
    parser.add_argument(
        "--kind",
        choices=("all", "links", "rest"),
        default="all",
        help="only troubles told by figures of links, which want a machine that does nothing else, or the others",
    )
    wanted = parser.parse_args()
    if wanted.lab:
        run_lab(wanted.limit_s, wanted.where, wanted.trouble, wanted.kind)
    seen, lab = list(seen_rows()), kept_rows()
    tables = [table(lab, LAB)] if lab else []
    tables.append(table(seen, SEEN))
    write_between(
        PAGE, MARKS, "\n\n".join([AUTHORS, *tables, only_in_figures(lab, seen), not_made(lab)])
    )
    for row in (*lab, *seen):
        if not row.is_right:
            print(f"{row.where}: {row.trouble}: expected {row.expected}, named {row.named}")
    for one in tables:
        print(one.splitlines()[0])


if __name__ == "__main__":
    main()
