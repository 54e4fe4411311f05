"""Applies the remedies that `diagnose` names: `python -m benchmarks.remedies --seconds 720`; without it only the table.

Real vLLM with a GPT-2 of random weights over two emulated PCs of one core each, joined by a cable. Each layout
is started once; while people ask it, its link or a PC is harmed, `diagnose` is typed and what it names is done;
tokens per second are counted before and after. Remedies that are another layout are started by the command that
`diagnose` printed. Each result is kept at once in benchmarks/results/remedies.json, and the table goes into
docs/diagnose.md; typed again it goes on with what is missing. Needs root, and a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.diagnosis import PAGE, write_between
from benchmarks.founding_case import measure_devices
from benchmarks.remedies.layouts import LAYOUTS
from benchmarks.remedies.rows import RESULTS, kept, table
from benchmarks.remedies.world import TROUBLE, cabled_home

_MARKS: Final = ("<!-- remedies table -->", "<!-- end of remedies table -->")
_WORK: Final = Path(tempfile.gettempdir()) / "homecluster-remedies"


def run(work: Path, end_s: float) -> None:
    """What is missing, layout by layout in one home, as long as there is time."""
    if not any(layout.is_missing for layout in LAYOUTS):
        return
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "devices").is_dir():
        measure_devices(work)
    with cabled_home(work) as at:
        for layout in LAYOUTS:
            if not layout.is_missing or time.monotonic() + layout.needs_s > end_s:
                continue
            try:
                layout.measure(at, end_s)
            except TROUBLE as error:
                print(f"broke off: {error}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="start nothing that takes longer than that"
    )
    parser.add_argument(
        "--work", type=Path, default=_WORK, help="the PC's speeds and the model, kept between runs"
    )
    parser.add_argument("--afresh", action="store_true", help="forget what was kept before")
    asked = parser.parse_args()
    if asked.afresh:
        RESULTS.unlink(missing_ok=True)
    if asked.seconds:
        run(asked.work, time.monotonic() + asked.seconds)
    if kept():
        write_between(PAGE, _MARKS, table(kept()))
        print(table(kept()))


if __name__ == "__main__":
    main()
