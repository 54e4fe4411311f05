"""Training over emulated homes, measured beside predicted: `python -m benchmarks.training --hosts 2`.

Real DeepSpeed steps of a small GPT-2 with random weights. One start per number of PCs: inside it one training follows
the other (methods, stages), and the links change while it runs. The forecast is the planner's own, from the PC and
the links that the serving grid has probed (`python -m benchmarks.accuracy --probe`). A cell is appended to
benchmarks/results/training.jsonl when it is done and skipped when it is there, so the grid can be run piece by piece;
`--seconds` begins no cell after so long.
Needs root and the engine with the training packages. `--hosts 1 --homes 1gbe --stages 0 3` measures what stage 3's
hooks cost, which is one of the planner's figures. `--table` prints what is kept beside what the planner says today.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Sequence
from itertools import groupby, product

from benchmarks.training_cells import STEPS, Cell, keep, row_of
from benchmarks.training_forecast import forecast
from benchmarks.training_start import Start
from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.training import Method
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.paths import paths_from


def cells(asked: argparse.Namespace) -> list[Cell]:
    """Those of one start one after the other, and those of one training."""
    wanted = product(asked.hosts, asked.methods, asked.stages, asked.homes)
    return [Cell(home=h, hosts=n, method=m, stage=s) for n, m, s, h in wanted]


def measure(engine: Engine, wanted: Sequence[Cell], end_s: float) -> None:
    """The cells of one start, none begun after `end_s` of the monotonic clock; each is kept at once."""
    with Start(engine, wanted[0].hosts) as start:
        for _, training in groupby(wanted, key=lambda cell: (cell.method, cell.stage)):
            first, *others = training
            start.begin(first)
            for cell in (first, *others):
                if time.monotonic() > end_s:
                    return
                start.link(cell.home)
                keep({**cell.key, **start.steps(STEPS[cell.home])})
                if cell.hosts > 1:
                    print(table([cell]).splitlines()[2], flush=True)


def table(wanted: Sequence[Cell]) -> str:
    """Markdown, and the median of the errors below it."""
    lines = [
        "| home | PCs | method | stage | step | predicted | error |",
        "|---|---|---|---|---|---|---|",
    ]
    errors = []
    for cell in wanted:
        if (row := row_of(cell)) is None:
            continue
        measured_s = statistics.median(row["step_s"])
        predicted_s = forecast(cell).estimate.step_s.mid
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


def module_cost(wanted: Sequence[Cell]) -> str:
    """What stage 3 takes longer than stage 0 on one PC, where it gathers nothing: its hooks around each module."""
    lines = []
    for plain, sharded in product(wanted, wanted):
        if (plain.method, plain.stage, sharded.stage) != (sharded.method, 0, 3):
            continue
        rows = row_of(plain), row_of(sharded)
        if rows[0] and rows[1]:
            more_s = statistics.median(rows[1]["step_s"]) - statistics.median(rows[0]["step_s"])
            count = rows[1]["modules"]
            lines.append(
                f"{plain.method}: {more_s * 1e3:.0f} ms more for {count} modules, {more_s / count * 1e3:.2f} ms each"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", nargs="+", choices=tuple(STEPS), default=list(STEPS))
    parser.add_argument("--hosts", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", type=Method, default=[Method.LORA, Method.FULL])
    parser.add_argument("--stages", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--again", action="store_true", help="also cells that are there")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="begin no cell after so long"
    )
    parser.add_argument("--table", action="store_true", help="only print what is kept")
    asked = parser.parse_args()
    wanted = cells(asked)
    if asked.table:
        print(table([cell for cell in wanted if cell.hosts > 1 or cell.stage == 0]))
        print(module_cost([cell for cell in wanted if cell.hosts == 1]))
        return
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    end_s = time.monotonic() + asked.seconds
    missing = [cell for cell in wanted if asked.again or row_of(cell) is None]
    for _, start in groupby(missing, key=lambda cell: cell.hosts):
        if time.monotonic() < end_s:
            measure(engine, list(start), end_s)


if __name__ == "__main__":
    main()
