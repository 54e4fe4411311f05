"""Stock vLLM against homecluster's exchange over emulated home links, in turns, in one run.

    python -m benchmarks.links --next [--seconds 3600]   # pairs that are missing, until the time is over
    python -m benchmarks.links --cell LAYOUT HOME        # these anew
    python -m benchmarks.links --parity                  # 500 greedy tokens of both sides, of two families
    python -m benchmarks.links --table

Real vLLM, GPT-2 124M with random weights, one request; root on Linux and the CPU engine. Both copies run
in the same emulated PCs all the while, and one at a time is asked: an idle vLLM takes no CPU. A ratio is of
one pair of answers, so that a busy minute of this machine meets both. Every pair has a prompt of its own, and
both sides must give the same tokens. Results are kept in results/links.json, pair by pair.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import link_facts
from benchmarks.grid.world import make_model
from benchmarks.link_facts import GRID, LAYOUTS, PAIRS, Cell, Layout
from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_json
from homecluster.store.paths import paths_from
from tests.cluster.gang_in_lab import CORES, gang_lab
from tests.lab.homes import home_named
from tests.lab.lab import Lab
from tests.lab.link import Direction, Link
from tests.lab.pipe import Shape
from tests.lab.plan import BYTES_PER_S_PER_MBIT, HomePlan
from tests.live.conftest import TINY_LLAMA
from tests.live.engine_copy import EngineCopy, engine_copy

PROMPT_TOKENS: Final = 8
WARM_UP: Final = [7, 11, 13]
ANSWER_S: Final = 4.0
"""An answer of the slower side takes about so long, within these numbers of tokens."""
LEAST_TOKENS, MOST_TOKENS = 8, 64
PARITY_TOKENS: Final = 500
START_S: Final = 400.0
AIR: Final = ("hotspot", "wifi5")
"""Homes whose PCs share an access point; it can be changed while they run, a cable cannot become one."""


def measure(engine: Engine, cells: Sequence[Cell], end_s: float) -> None:
    """What is missing of the cells, which share a layout and a kind of network; both copies start once.

    Starting is the longest part, so it may take all cores; while they are measured, the PCs share them.
    """
    layout = LAYOUTS[cells[0].layout]
    plan = home_named(cells[0].home, layout.hosts)
    cores = {host.name: CORES for host in plan.hosts}
    with Lab(plan, cpu_cores=cores) as lab, both(lab, engine, layout) as copies:
        for host in lab.hosts:
            lab.set_cpu_cores(host, CORES / max(2, layout.hosts))
        for cell in cells:
            _reshape(lab, home_named(cell.home, layout.hosts))
            _measure(cell, copies, end_s)


def _reshape(lab: Lab, home: HomePlan) -> None:
    """Make the lab's links those of another home with the same wiring."""
    for one in home.interfaces:
        _set(lab.link(one.host), "up", one.up)
        _set(lab.link(one.host), "down", one.down)


def _set(link: Link, direction: Direction, shape: Shape) -> None:
    assert shape.rate_bytes_per_s is not None
    link.set(
        direction=direction,
        rate_mbit=shape.rate_bytes_per_s / BYTES_PER_S_PER_MBIT,
        delay_ms=shape.delay_s * 1000,
        jitter_ms=shape.jitter_s * 1000,
        queue_kib=shape.queue_bytes / 1024,
    )


def _measure(cell: Cell, copies: tuple[EngineCopy, EngineCopy], end_s: float) -> None:
    """Pairs of answers until all are kept or the time is over; every other pair asks the other side first."""
    usual_tokens = _tokens(copies)
    tokens = LAYOUTS[cell.layout].answer_tokens or usual_tokens
    for number in range(len(link_facts.pairs_of(link_facts.read(), cell)), PAIRS):
        if time.monotonic() > end_s:
            return
        turns = copies if number % 2 else copies[::-1]
        answers = {id(copy): copy.stream(prompt(cell, number), tokens) for copy in turns}
        stock, ours = (answers[id(copy)] for copy in copies)
        row = {
            "stock_tokens_per_s": stock.tokens_per_s,
            "ours_tokens_per_s": ours.tokens_per_s,
            "ours_tokens_per_step": ours.tokens_per_step,
            "tokens": tokens,
            "same_tokens": stock.tokens == ours.tokens,
        }
        link_facts.keep("pairs", {**cell.key, **row})
        _say(f"{cell.key}: {stock.tokens_per_s:.2f} -> {ours.tokens_per_s:.2f} tokens/s")


def _tokens(copies: tuple[EngineCopy, EngineCopy]) -> int:
    """That an answer shall have; both sides have then done everything once."""
    slowest_per_s = min(copy.stream(WARM_UP, 4).tokens_per_s for copy in copies)
    return max(LEAST_TOKENS, min(MOST_TOKENS, round(ANSWER_S * slowest_per_s)))


@contextmanager
def both(
    lab: Lab, engine: Engine, layout: Layout, model: Path | None = None, **changes: Any
) -> Iterator[tuple[EngineCopy, EngineCopy]]:
    """The stock copy and ours, started together in the same PCs; GPT-2 in bf16 unless another is named."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        stock, ours = (
            stack.enter_context(
                engine_copy(
                    lab, engine, model or make_model(engine, Path(tempfile.gettempdir()), "gpt2"), side.small_collectives, folder,
                    **{"dtype": "bfloat16", "partition": layout.partition,
                       "tensor_parallel": layout.tensor_parallel, "drafts": side.drafts, **changes},
                )
            )
            for side in (layout.stock, layout.ours)
        )  # fmt: skip
        for copy in (stock, ours):
            copy.wait_until_it_answers(START_S)
        yield stock, ours


def prompt(cell: Cell, number: int) -> list[int]:
    """Never the same twice, so that no cache of an earlier one helps."""
    draw = random.Random(f"{cell.key} {number}")
    return [draw.randrange(3, 500) for _ in range(PROMPT_TOKENS)]


def parity(engine: Engine, family: str) -> None:
    """One long greedy answer of both sides; random GPT-2 soon repeats itself, the tiny Llama does not."""
    with tempfile.TemporaryDirectory() as name:
        own: dict[str, Any] = {"max_model_len": PARITY_TOKENS + PROMPT_TOKENS + 4}
        if family == "llama":
            own |= {"model": _tiny_llama(engine, Path(name)), "dtype": "float32", "partition": (4,)}
        with gang_lab("1gbe", 2) as lab, both(lab, engine, LAYOUTS["tensor"], **own) as copies:
            stock, ours = (copy.stream(WARM_UP, PARITY_TOKENS).tokens for copy in copies)
    row = {"tokens": len(ours), "distinct": len(set(ours)), "same_tokens": stock == ours}
    link_facts.keep("parity", {"family": family, **row})
    _say(f"{family}: {row}")


def _tiny_llama(engine: Engine, folder: Path) -> Path:
    config, model = folder / "config.json", folder / "tiny-llama"
    write_json(config, TINY_LLAMA | {"max_position_embeddings": 1024})
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", model, "--seed", "7"],
        check=True, timeout=300,
    )  # fmt: skip
    return model


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--next", action="store_true", help="Measure the pairs that are missing.")
    what.add_argument("--cell", nargs=2, metavar=("LAYOUT", "HOME"))
    what.add_argument("--parity", action="store_true", help="Compare long greedy answers.")
    what.add_argument("--table", action="store_true", help="Print what was measured.")
    parser.add_argument("--seconds", type=float, default=100.0, help="Start no pair later than so.")
    asked = parser.parse_args()
    if asked.table:
        sys.stdout.write(link_facts.table(link_facts.read()) + "\n")
        return
    end_s = time.monotonic() + asked.seconds
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    if asked.parity:
        for family in ("llama", "gpt2"):
            parity(engine, family)
    elif asked.cell:
        cell = Cell(layout=asked.cell[0], home=asked.cell[1])
        link_facts.forget(cell)
        measure(engine, [cell], end_s)
    else:
        for cells in batches(GRID):
            if time.monotonic() < end_s:
                measure(engine, cells, end_s)


def batches(grid: Sequence[Cell]) -> list[list[Cell]]:
    """Cells with pairs to be measured; those of one layout on the air, or on cables, together."""
    facts = link_facts.read()
    found: dict[tuple[str, bool], list[Cell]] = {}
    for cell in grid:
        if len(link_facts.pairs_of(facts, cell)) < PAIRS:
            found.setdefault((cell.layout, cell.home in AIR), []).append(cell)
    return list(found.values())


if __name__ == "__main__":
    main()
