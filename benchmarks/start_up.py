"""How long a copy over two emulated PCs takes to start, beside what the planner says from the PC's own start.

    python -m benchmarks.start_up --cell hotspot tensor mp     # added to results/start-up.json, two to three minutes
    python -m benchmarks.start_up --table                      # measured, and predicted from what was measured

One run times a tiny vLLM server in one emulated PC, as `homecluster probe` does, and then the start of GPT-2 124M
over two such PCs. The links are those that benchmarks.gangs measured. Needs root and the engine.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks import gang_facts
from benchmarks.gang_facts import Cell, device_name
from benchmarks.gang_forecast import forecast
from benchmarks.gangs import make_gpt2
from homecluster.app.engine import refresh_own_code
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import Running
from homecluster.domain.plan import Backend
from homecluster.engines.vllm_environment import engine_environment
from homecluster.planner import priors
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_json
from homecluster.store.paths import paths_from
from tests.cluster.gang_in_lab import gang_lab, lab_gang

RESULTS: Final = Path(__file__).parent / "results" / "start-up.json"
SCHEMA: Final = "homecluster.bench-start-up/1"
_TINY_WITHIN_S: Final = 120.0
_TINY: Final = """
import asyncio, json, os, tempfile
from pathlib import Path
from homecluster.jobs.tiny_model import TinyModel, write_tiny_model
from homecluster.jobs.tiny_server import tiny_server
async def main():
    home = Path(tempfile.mkdtemp()) / "tiny"
    write_tiny_model(home, TinyModel(layers=2, max_tokens=1024), "bfloat16")
    async with tiny_server(home, os.environ, max_tokens=1024, dtype="bfloat16", eager=True) as server:
        print(json.dumps(server.start_up))
asyncio.run(main())
"""


def measure(engine: Engine, cell: Cell) -> dict[str, Any]:
    """One row: the start of one PC by part, then the gang's by phase."""
    shape = cell.shape
    model = make_gpt2(engine, Path(tempfile.gettempdir()))
    with gang_lab(cell.home, shape.hosts) as lab:
        environment = dict(
            engine_environment(kind=DeviceKind.CPU, ranks=1, cores=(0,), weights_local=True)
        )
        argv = [str(engine.python), "-c", _TINY]
        ran = lab.host("a").run(argv, env=environment, timeout=_TINY_WITHIN_S, check=True)
        alone = json.loads(ran.stdout.splitlines()[-1])
        with lab_gang(
            lab,
            engine,
            model,
            backend=cell.backend,
            tensor_parallel=shape.tensor_parallel,
            partition=shape.partition,
            small_collectives=shape.small_collectives,
            dtype="bfloat16",
        ) as gang:
            gang.wait_until_it_runs()
            (running,) = [state for state in gang.states if isinstance(state, Running)]
            return {
                **cell.key,
                "alone": alone,
                "start_up_s": gang.start_up_s,
                "phases": [list(phase) for phase in running.phases],
            }


def predicted(row: dict[str, Any]) -> tuple[Estimate, float]:
    """The planner's estimate of that start, and what Ray adds to it."""
    cell = Cell(home=row["home"], layout=row["layout"], backend=Backend(row["backend"]))
    facts = copy.deepcopy(gang_facts.read())
    for node in facts["devices"][device_name(cell.shape)]["nodes"].values():
        (device,) = node["devices"]
        for part, seconds in row["alone"].items():
            key = part.removesuffix("_s")
            device[key] = f"{seconds!r} s"
            device["provenance"][key] = "measured"
    return forecast(facts, cell), priors.RAY_START_S if cell.backend is Backend.RAY else 0.0


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| home | layout | by | measured | predicted | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        estimate, ray_s = predicted(row)
        total_s = estimate.start_up_s.mid + ray_s
        lines.append(
            f"| {row['home']} | {row['layout']} | {row['backend']} | {row['start_up_s']:.1f} s "
            f"| {total_s:.1f} s | {row['start_up_s'] / total_s:.2f} |"
        )
    return "\n".join(lines)


def parts_of(row: dict[str, Any]) -> str:
    estimate, _ = predicted(row)
    measured = " + ".join(f"{what} {seconds:.1f} s" for what, seconds in row["phases"])
    expected = " + ".join(f"{what} {seconds:.1f} s" for what, seconds in estimate.start_up_parts)
    return f"{row['home']} {row['layout']} {row['backend']}\n  was:       {measured}\n  predicted: {expected}"


def kept() -> list[dict[str, Any]]:
    return list(json.loads(RESULTS.read_text())["rows"]) if RESULTS.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cell", nargs=3, metavar=("HOME", "LAYOUT", "BACKEND"))
    what.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.cell:
        home, layout, backend = asked.cell
        engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
        row = measure(engine, Cell(home=home, layout=layout, backend=Backend(backend)))
        write_json(RESULTS, {"schema": SCHEMA, "rows": [*kept(), row]})
    rows = kept()
    print(table(rows))
    for row in rows:
        print(parts_of(row))


if __name__ == "__main__":
    main()
