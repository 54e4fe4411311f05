"""What `homecluster up` over two PCs costs beside the same engine commands typed by hand.

    python -m benchmarks.gang_launch [--pairs 1]      # more pairs are added to results/gang-launch.json
    python -m benchmarks.gang_launch --table

From the command to the first token, real agents and real vLLM in emulated PCs (root): TP=2 of GPT-2 124M
with random weights over 1 GbE. `up` chooses, asks, fences, starts and watches; by hand, what its dry run
prints is started in both PCs at the same moment and nothing else. Only the ratio of a pair means anything
on another machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.grid.world import make_model
from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.files import write_json
from homecluster.store.paths import paths_from
from tests.cluster.pcs import Pc
from tests.lab.lab import Lab
from tests.live.engine_copy import end_orphans

RESULTS = Path(__file__).parent / "results" / "gang-launch.json"
SCHEMA = "homecluster.gang-launch/1"
_PORT = 8000
_START_WITHIN_S = 200.0
_FIRST_TOKEN = """
import http.client, json, sys, time
body = json.dumps({"model": sys.argv[2], "prompt": [7], "max_tokens": 1})
for _ in range(2000):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        if json.loads(connection.getresponse().read())["usage"]["completion_tokens"] == 1:
            break
    except OSError:
        time.sleep(0.1)
"""


_OWN_CPU = """
import psutil
names = ("agent_process", "gang_process", "gang_share_process", "launch.keeper")
seen = [one.info for one in psutil.process_iter(["cmdline", "cpu_times"])]
own = [one["cpu_times"] for one in seen if any(name in " ".join((one["cmdline"] or [])[:4]) for name in names)]
print(sum(one.user + one.system for one in own if one))
"""
"""Of all processes that are ours and not the engine's."""


def words(pc: Pc) -> tuple[str, ...]:
    return (
        *("up", "--model", str(pc.state / "models" / "gpt2"), "--port", str(_PORT)),
        *("--tensor-parallel", "2", "--replicas", "1", "--nodes", "a,b"),
        *("--small-collectives", "engine", "--prompt-tokens", "64", "--output-tokens", "32"),
    )


@contextmanager
def cluster(engine: Engine, model: Path) -> Iterator[tuple[Pc, Pc]]:
    """Two PCs, joined, measured, with the model."""
    # One core each: on two shared ones, the threads of two engines that wait for one another would spin.
    with Lab("1gbe", hosts=2, cpu_cores={"a": 1.0, "b": 1.0}) as lab:
        environment = {"HOMECLUSTER_ENGINES": str(engine.path.parent)}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        b.join(a.token("--operator"))
        a.document("probe", "--quick", timeout_s=200)
        for pc in (a, b):
            shutil.copytree(model, pc.state / "models" / "gpt2")
        yield a, b


def by_up(a: Pc, b: Pc) -> tuple[float, float]:
    """Seconds until `up` says that it runs, once a token came; and what our processes computed meanwhile."""
    before_s = own_cpu_s(a, b)
    begun_s = time.monotonic()
    job = a.document(*words(a), "--detach", timeout_s=_START_WITHIN_S)["job"]
    took_s = time.monotonic() - begun_s
    computed_s = own_cpu_s(a, b) - before_s
    a.document("down", job)
    return took_s, computed_s


def own_cpu_s(*pcs: Pc) -> float:
    argv = [sys.executable, "-c", _OWN_CPU]
    return sum(float(pc.host.run(argv, check=True).stdout) for pc in pcs)


def by_hand(a: Pc, b: Pc) -> float:
    """Seconds until a token came from the commands that a dry run prints; nothing of them is left then."""
    (plan, *_) = [
        one for one in a.document(*words(a), "--dry-run")["plans"] if "commands" in one
    ]  # fmt: skip
    pcs = {"a": a, "b": b}
    try:
        with ExitStack() as stack, tempfile.TemporaryFile() as log:
            begun_s = time.monotonic()
            for command in plan["commands"]:
                host = pcs[command["node"]].host
                stack.enter_context(
                    host.running(command["argv"], env=command["env"], stdout=log, stderr=log)
                )
            argv = [sys.executable, "-c", _FIRST_TOKEN, str(_PORT), "gpt2"]
            a.host.run(argv, timeout=_START_WITHIN_S, check=True)
            return time.monotonic() - begun_s
    finally:
        end_orphans(pc.host for pc in (a, b))


def measure(pairs: int) -> None:
    """Pairs of launches after one another in the same PCs, every other one begun by hand; kept as they come.

    One launch that nobody counts goes first: it reads the engine's files into memory.
    """
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    with cluster(engine, make_model(engine, Path(tempfile.gettempdir()), "gpt2")) as (a, b):
        by_hand(a, b)
        for number in range(len(kept()), len(kept()) + pairs):
            if number % 2:
                hand_s, (up_s, own_s) = by_hand(a, b), by_up(a, b)
            else:
                (up_s, own_s), hand_s = by_up(a, b), by_hand(a, b)
            pair = {"up_s": up_s, "by_hand_s": hand_s, "ratio": up_s / hand_s, "own_cpu_s": own_s}
            write_json(RESULTS, {"schema": SCHEMA, "pairs": [*kept(), pair]})


def kept() -> list[dict[str, Any]]:
    return list(json.loads(RESULTS.read_text())["pairs"]) if RESULTS.exists() else []


def show(pairs: list[dict[str, Any]]) -> None:
    print("| pair | `up` | by hand | ratio | computed by us |\n| --- | --- | --- | --- | --- |")
    for number, one in enumerate(pairs):
        times = f"{one['up_s']:.1f} s | {one['by_hand_s']:.1f} s | {one['ratio']:.2f}"
        print(f"| {number} | {times} | {one['own_cpu_s']:.1f} s |")
    if pairs:
        print(f"median ratio {median(one['ratio'] for one in pairs):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="only show what was measured")
    asked = parser.parse_args()
    if not asked.table:
        measure(asked.pairs)
    show(kept())


if __name__ == "__main__":
    main()
