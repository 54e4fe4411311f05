"""Training over emulated homes, measured beside predicted: `python -m benchmarks.training --homes wifi5 hotspot`.

Real DeepSpeed steps of a small GPT-2 with random weights, every PC with 0.6 of a core. One start per kind of link and
number of PCs: inside it one training follows the other (stages, methods), and the links change while it runs. The
forecast is the planner's own, from `homecluster probe` of one such PC and netprobe of each kind of link, both taken
once before (`--probe`). A cell is appended to benchmarks/results/training.json when it is done and skipped when it is
there, so the grid can be run piece by piece. Needs root and the engine with the training packages. `--table` prints
what is kept beside what the planner says today.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby, product
from typing import Any

from benchmarks.training_facts import HOMES, Cell, keep, probe, read, row_of
from benchmarks.training_forecast import forecast
from benchmarks.training_start import Start
from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.training import Method
from homecluster.store.engine_store import find_engine
from homecluster.store.paths import paths_from


def cells(asked: argparse.Namespace) -> Iterator[Cell]:
    """Those of one start one after the other, and those of one training."""
    for radio, hosts in product((False, True), asked.hosts):
        homes = [home for home in asked.homes if HOMES[home].radio == radio]
        for method, stage, home in product(asked.methods, asked.stages, homes):
            yield Cell(home=home, hosts=hosts, method=method, stage=stage)


def measure(engine: Any, wanted: Sequence[Cell]) -> None:
    """The cells of one start; each is kept at once."""
    facts = read()
    with Start(engine, wanted[0].home, wanted[0].hosts) as start:
        for _, training in groupby(wanted, key=lambda cell: (cell.method, cell.stage)):
            for number, cell in enumerate(training):
                start.link(cell.home)
                if number == 0:
                    start.begin(cell, forecast(facts, cell))
                told = start.steps(HOMES[cell.home].steps)
                keep("rows", None, {**cell.key, **told})
                print(table([cell]).splitlines()[2], flush=True)


def table(wanted: Sequence[Cell]) -> str:
    """Markdown, and the median of the errors below it."""
    facts = read()
    lines = [
        "| home | PCs | method | stage | step | predicted | error |",
        "|---|---|---|---|---|---|---|",
    ]
    errors = []
    for cell in wanted:
        if (row := row_of(facts, cell)) is None:
            continue
        measured_s, predicted_s = (
            statistics.median(row["step_s"]),
            forecast(facts, cell).estimate.step_s.mid,
        )
        errors.append(predicted_s / measured_s - 1)
        lines.append(
            f"| {cell.home} | {cell.hosts} | {cell.method} | {cell.stage} | {measured_s:.3g} s "
            f"| {predicted_s:.3g} s | {errors[-1]:+.0%} |"
        )
    if errors:
        lines.append(
            f"\n{len(errors)} cells, median error {statistics.median(map(abs, errors)):.0%}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", nargs="+", choices=tuple(HOMES), default=list(HOMES))
    parser.add_argument("--hosts", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--methods", nargs="+", type=Method, default=[Method.FULL, Method.LORA])
    parser.add_argument("--stages", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument(
        "--probe", action="store_true", help="Only take what is missing for the forecast."
    )
    parser.add_argument("--again", action="store_true", help="Also cells that are there.")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    wanted = list(cells(asked))
    if asked.table:
        print(table(wanted))
        return
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    probe(engine, asked.homes)
    if asked.probe:
        return
    facts = read()
    missing = [cell for cell in wanted if asked.again or row_of(facts, cell) is None]
    for _, start in groupby(missing, key=lambda cell: (HOMES[cell.home].radio, cell.hosts)):
        measure(engine, list(start))


if __name__ == "__main__":
    main()
