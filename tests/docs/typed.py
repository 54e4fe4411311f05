"""`python -m tests.docs.typed [PAGE…]`: every command line of the docs, typed on two new PCs of an emulated home.

Each page gets a home of its own: `desk` and `laptop`, new user folders, a clone of this repository each.
Its lines are typed in order, with answers to what they ask and Ctrl-C where a person would.
`--engines DIR` shares an installed engine; without it what needs one says so.
With `--install` the pages' own lines install and remove engines in DIR.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.docs.commands import ROOT, pages, shown_lines
from tests.docs.desk import Row, new_home
from tests.lab.availability import lab_unavailable_reason

KEPT = ROOT / "benchmarks" / "results" / "typed.json"
_JOINED = ("homecluster join --new", "homecluster token", "homecluster join", "homecluster probe --quick")  # fmt: skip
_BEFORE = {
    "docs/cli.md": _JOINED[:1],
    "docs/diagnose.md": ("homecluster diagnose --save signs.json",),
    "docs/several-pcs.md": _JOINED[:3],
    "docs/serving.md": _JOINED,
    "docs/training.md": _JOINED,
}
"""What a page takes for done."""


def type_page(page: str, engines: Path | None, *, installs: bool = False) -> Iterator[Row]:
    """A row for each line, as it ends."""
    lines = list(shown_lines(ROOT / page))
    if lines:
        with new_home(engines, installs=installs) as desk:
            for line in (*_BEFORE.get(page, ()), *lines):
                yield desk.type(page, line)
            if desk.staying is not None:
                desk.staying.interrupt()


def _keep(rows: list[Row]) -> None:
    """Those of a page that was typed again are replaced."""
    anew = {row.page for row in rows}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else []
    kept = [one for one in kept if one["page"] not in anew]
    kept += [{k: v for k, v in asdict(row).items() if k != "said"} for row in rows]
    KEPT.write_text(json.dumps(sorted(kept, key=lambda one: one["page"]), indent=1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.typed", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="README.md, docs/tutorial.md …")
    parser.add_argument("--engines", type=Path, help="as HOMECLUSTER_ENGINES")
    parser.add_argument(
        "--install", action="store_true", help="also type what installs and removes engines there"
    )
    parser.add_argument("--keep", action="store_true", help=f"keep the rows in {KEPT.name}")
    parser.add_argument("--loud", action="store_true", help="print what each line printed")
    options = parser.parse_args()
    if reason := lab_unavailable_reason():
        parser.exit(3, f"error: {reason}\n")
    original = [page.relative_to(ROOT).as_posix() for page in pages() if ".zh-CN." not in page.name]
    if options.install and not options.engines:
        parser.error("--install needs --engines DIR: an empty folder is a fresh PC")
    rows: list[Row] = []
    for page in options.pages or original:
        sys.stdout.write(f"{page}\n")
        for row in type_page(page, options.engines, installs=options.install):
            rows.append(row)
            seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
            sys.stdout.write(f"  {row.pc:7} {seconds:>8}  {row.line[:90]:90}  {row.outcome}\n")
            if options.loud or row.is_wrong:
                sys.stdout.write("".join(f"      | {line}\n" for line in row.said.splitlines()))
            sys.stdout.flush()
        if options.keep:
            _keep(rows)
    return 1 if any(row.is_wrong for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
