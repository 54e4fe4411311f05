"""How long planning takes: the one-PC plan beside the start of Python with click and rich, and up to eight unlike PCs.

python -m benchmarks.plan_time
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from homecluster.app.plan import make_plans
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.problem import Pins
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.models import find_model

REPEATS = 7
CARDS = ("4090", "3090", "3060", "4070", "4080", "3080", "4060", "3070")
EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "rtx4090.toml"


def unlike(count: int) -> Cluster:
    """So many PCs with one card each, no two cards' hosts and no two links alike."""
    lines = ['schema = "homecluster.cluster/1"']
    for i in range(count):
        lines += [
            f'[nodes.pc{i}]\nram = "32 GiB"',
            f'[[nodes.pc{i}.devices]]\nkind = "cuda"\nname = "NVIDIA GeForce RTX {CARDS[i % len(CARDS)]}"',
            f'step_overhead = "{4 + i / 10} ms"',
        ]
    for i in range(count):
        for j in range(i):
            rtt, rate = 0.3 + (i * count + j) / 100, 900 + i * count + j
            lines.append(
                f'[[links]]\nbetween = ["pc{i}", "pc{j}"]\nrtt = "{rtt} ms"\nbandwidth = "{rate} Mbit/s"'
            )
    return parse_cluster("\n".join(lines), file="benchmark", as_json=False)


def seconds(act: Callable[[], object]) -> float:
    """The median of several runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return median(times)


def started(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main() -> None:
    bare = seconds(started("-c", "import click, rich.console, rich.table"))
    whole = seconds(
        started("-m", "homecluster", "plan", "--model", "gpt2", "--cluster", str(EXAMPLE))
    )
    spec = find_model("gpt2").spec
    print(f"python with click and rich        {bare * 1e3:7.1f} ms")
    print(f"homecluster plan, one PC, whole   {whole * 1e3:7.1f} ms   {whole / bare:5.2f} x")
    for count in (1, 2, 4, 6, 8):
        home = unlike(count)
        took = seconds(partial(make_plans, home, spec, Serve(), Pins()))
        plans = len(make_plans(home, spec, Serve(), Pins()).plans)
        print(f"{count} unlike PCs, planning alone     {took * 1e3:7.1f} ms   {plans} plans")


if __name__ == "__main__":
    main()
