"""How often the first cause is right: `python -m benchmarks.diagnosis [--lab]` writes the table into docs/diagnose.md.

Without --lab, troubles are injected into what is seen of two homes: every cause, and pairs; that is
deterministic and takes seconds. With --lab the links' troubles are also injected into emulated homes
and measured by netprobe, which needs root and some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.planner.causes.homes import HOMES, alone, both
from tests.planner.causes.troubles import PAIRS, TROUBLES

PAGE = Path(__file__).parents[1] / "docs" / "diagnose.md"
BEGIN, END = "<!-- diagnosis table -->", "<!-- end of diagnosis table -->"

AUTHORS = (
    "Rules and injections were written by the same people: this shows that the rules tell the troubles apart, "
    "not how often strangers' troubles are found."
)


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


def lab_rows() -> Iterator[Row]:
    """Troubles of links, made in emulated homes and measured by netprobe."""
    from tests.cluster.diagnosed import CASES, judged  # noqa: PLC0415 - needs the lab

    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            named = first([cause["id"] for cause in judged(case, Path(folder))])
        yield Row(where=f"lab: {case.home}", trouble=name, expected=case.expected, named=named)


def first(ids: list[str]) -> str | None:
    return next(iter(ids), None)


def table(rows: list[Row]) -> str:
    """A summary, and a line for each kind of place and cause."""
    troubled = [row for row in rows if row.expected is not None]
    healthy = [row for row in rows if row.expected is None]
    right = sum(row.is_right for row in troubled)
    alarms = sum(not row.is_right for row in healthy)
    counted = (
        f"{right} of {len(troubled)} injections were named first by the right cause; "
        f"{alarms} of {len(healthy)} healthy homes raised an alarm."
    )
    lines = [
        counted,
        AUTHORS,
        "Where the place is not called lab, the trouble was injected into the figures that are seen, not into real machines.",
        "",
        "| trouble | must be called | " + " | ".join(places(rows)) + " |",
        "| --- | --- | " + " | ".join("---" for _ in places(rows)) + " |",
    ]
    named = dict.fromkeys((row.trouble, row.expected) for row in rows)
    for trouble, expected in named:
        cells = [cell(rows, trouble, expected, place) for place in places(rows)]
        lines.append(f"| {trouble} | {expected or 'healthy'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def places(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.where for row in rows))


def cell(rows: list[Row], trouble: str, expected: str | None, place: str) -> str:
    for row in rows:
        if (row.trouble, row.expected, row.where) == (trouble, expected, place):
            return "right" if row.is_right else (row.named or "nothing")
    return ""


def write(text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", action="store_true", help="also measure emulated homes")
    wanted = parser.parse_args()
    rows = [*seen_rows(), *(lab_rows() if wanted.lab else ())]
    write(table(rows))
    for row in rows:
        if not row.is_right:
            print(f"{row.where}: {row.trouble}: expected {row.expected}, named {row.named}")
    print(table(rows).splitlines()[0])


if __name__ == "__main__":
    main()
