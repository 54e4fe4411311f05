"""One copy over emulated PCs, measured beside what the planner says: the grid of layouts, backends and homes.

    python -m benchmarks.gangs --next       # the next thing that is missing, below four minutes; repeat
    python -m benchmarks.gangs --next --seconds 3600    # and so on, as long as less has passed
    python -m benchmarks.gangs --table      # what was measured, and today's prediction from probe and links

Real vLLM, GPT-2 124M with random weights; needs root and the engine. Results are kept in results/gangs.json;
what is there is not measured again. `--cell HOME LAYOUT BACKEND` measures one cell anew.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import gang_facts
from benchmarks.gang_facts import GRID, Cell, device_name, links_name, row_of
from benchmarks.gang_forecast import (
    OUTPUT_TOKENS,
    forecast,
    forecast_bytes,
    probed_device,
    probed_links,
)
from homecluster.app.engine import refresh_own_code
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.plan import Backend
from homecluster.planner import priors
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_json
from homecluster.store.models import find_model
from homecluster.store.paths import paths_from
from tests.cluster.gang_in_lab import LabGang, gang_lab, lab_gang

_ENOUGH_S: Final = 12.0
_MOST_ROUNDS: Final = 5
_IDLE_S: Final = 5.0


def measure(engine: Engine, cell: Cell) -> dict[str, Any]:
    """One row: start-up, time between tokens, bytes of each token over all links, and the tokens."""
    shape = cell.shape
    with (
        gang_lab(cell.home, shape.hosts) as lab,
        lab_gang(
            lab,
            engine,
            make_gpt2(engine, Path(tempfile.gettempdir())),
            backend=cell.backend,
            tensor_parallel=shape.tensor_parallel,
            partition=shape.partition,
            small_collectives=shape.small_collectives,
            dtype="bfloat16",
        ) as gang,
    ):
        gang.wait_until_it_runs()
        gang.complete([7], 4)
        rounds, tokens = _rounds(gang)
        return {
            **cell.key,
            "cores_each": shape.cores,
            "start_up_s": gang.start_up_s,
            "phases": gang.phases,
            "token_interval_s": median(seconds for seconds, _ in rounds),
            "bytes_per_token": median(carried for _, carried in rounds),
            "idle_bytes_per_s": _idle_bytes_per_s(gang),
            "rounds": len(rounds),
            "tokens": tokens,
        }


def _rounds(gang: LabGang) -> tuple[list[tuple[float, float]], list[int]]:
    """(seconds, bytes) of each token after the first, several times; and the answer."""
    rounds: list[tuple[float, float]] = []
    begun_s = time.monotonic()
    while not rounds or (len(rounds) < _MOST_ROUNDS and time.monotonic() - begun_s < _ENOUGH_S):
        _, first_s, first_bytes = _ask(gang, 1)
        tokens, whole_s, whole_bytes = _ask(gang, 1 + OUTPUT_TOKENS)
        rounds.append(
            ((whole_s - first_s) / OUTPUT_TOKENS, (whole_bytes - first_bytes) / OUTPUT_TOKENS)
        )
    return rounds, tokens


def _ask(gang: LabGang, tokens: int) -> tuple[list[int], float, int]:
    before, begun_s = gang.carried_bytes(), time.monotonic()
    answer = gang.complete([7], tokens)
    return answer, time.monotonic() - begun_s, gang.carried_bytes() - before


def _idle_bytes_per_s(gang: LabGang) -> float:
    before = gang.carried_bytes()
    time.sleep(_IDLE_S)
    return (gang.carried_bytes() - before) / _IDLE_S


def make_gpt2(engine: Engine, folder: Path) -> Path:
    """GPT-2 124M with random weights, made once."""
    config, model = folder / "random-gpt2.json", folder / "random-gpt2"
    if model.is_dir():
        return model
    write_json(config, dict(find_model("gpt2").config))
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", model, "--seed", "0"],
        check=True, timeout=300,
    )  # fmt: skip
    return model


def next_thing(engine: Engine) -> str | None:
    """Measure what the first unfinished cell lacks: its device, its links, or the gang itself; None: nothing."""
    facts = gang_facts.read()
    for cell in GRID:
        if row_of(facts, cell) is not None:
            continue
        shape = cell.shape
        device, links = device_name(shape), links_name(cell.home, shape.hosts)
        if device not in facts["devices"]:
            gang_facts.keep("devices", device, probed_device(engine, shape))
            return f"a PC with {device} cores"
        if links not in facts["links"]:
            gang_facts.keep("links", links, probed_links(engine, cell.home, shape.hosts))
            return f"the links of {links}"
        gang_facts.keep("rows", None, measure(engine, cell))
        return str(cell.key)
    return None


def table() -> str:
    """Every measured row with today's prediction as measured / predicted; tokens beside the first row's."""
    facts = gang_facts.read()
    lines = [
        "| home | layout | by | start-up, s | ms a token | bytes a token | same tokens |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in GRID:
        row = row_of(facts, cell)
        if row is None:
            continue
        estimate = forecast(facts, cell)
        lines.append(
            f"| {cell.home} | {cell.layout} | {cell.backend} "
            f"| {row['start_up_s']:.0f} / {_start_up_s(cell, estimate):.0f} "
            f"| {row['token_interval_s'] * 1e3:.0f} / {estimate.token_interval_s.mid * 1e3:.0f} "
            f"| {row['bytes_per_token']:.0f} / {forecast_bytes(cell)} "
            f"| {'yes' if row['tokens'] == facts['rows'][0]['tokens'] else 'no'} |"
        )
    return "\n".join(lines)


def _start_up_s(cell: Cell, estimate: Estimate) -> float:
    """The plan counts on vLLM's own mode here; Ray comes up first where it was asked for."""
    return estimate.start_up_s.mid + (priors.RAY_START_S if cell.backend is Backend.RAY else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--next", action="store_true", help="Measure the next thing that is missing.")
    what.add_argument("--cell", nargs=3, metavar=("HOME", "LAYOUT", "BACKEND"))
    what.add_argument("--table", action="store_true", help="Print what was measured.")
    parser.add_argument("--seconds", type=float, default=0.0)
    asked = parser.parse_args()
    if asked.table:
        sys.stdout.write(table() + "\n")
        return
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    if asked.next:
        end_s = time.monotonic() + asked.seconds
        while (measured := next_thing(engine)) is not None:
            sys.stdout.write(f"measured {measured}\n")
            if time.monotonic() > end_s:
                return
        return
    home, layout, backend = asked.cell
    gang_facts.keep(
        "rows", None, measure(engine, Cell(home=home, layout=layout, backend=Backend(backend)))
    )


if __name__ == "__main__":
    main()
