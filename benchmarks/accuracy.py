"""The grid of real runs: what the planner said, and what vLLM did.

    python -m benchmarks.accuracy --run --seconds 400   # measure what is missing; goes on where it stopped
    python -m benchmarks.accuracy --starts --seconds 400    # starts on slow links, for how long they take
    python -m benchmarks.accuracy --left                # how much is missing
    python -m benchmarks.accuracy --report              # today's predictions beside all kept rows
    python -m benchmarks.accuracy --write               # the same into docs/accuracy.md and docs/several-pcs.md

Measuring needs root and the engine. What is kept lies in results/grid; predictions are made anew each time.
"""

from __future__ import annotations

import argparse
import os

from benchmarks.grid import facts, report, run, starting
from benchmarks.grid.cells import STARTS
from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.paths import paths_from


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", action="store_true", help="Measure what is missing.")
    what.add_argument("--starts", action="store_true", help="Start on slow links what is missing.")
    what.add_argument("--left", action="store_true", help="Say what is missing.")
    what.add_argument("--report", action="store_true", help="Print predictions beside rows.")
    what.add_argument("--write", action="store_true", help="Write them into the docs.")
    parser.add_argument("--seconds", type=float, default=3600.0, help="Measure about so long.")
    parser.add_argument(
        "--only", default="", help="The start of this name, or those whose names hold it."
    )
    asked = parser.parse_args()
    if asked.run:
        run.run(_engine(), seconds=asked.seconds, only=asked.only)
    elif asked.starts:
        run.run_slow_starts(_engine(), seconds=asked.seconds)
    elif asked.left:
        for start in STARTS:
            print(f"{len(facts.missing(start)):3} {start.name}")
    elif asked.report:
        judged = report.judged_now()
        print(report.summary(judged), report.cells(judged), starting.summary(), sep="\n\n")
    else:
        from benchmarks.grid import pages  # noqa: PLC0415 - matplotlib is an extra

        pages.write()


def _engine() -> Engine:
    return refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))


if __name__ == "__main__":
    main()
