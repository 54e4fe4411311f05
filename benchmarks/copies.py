"""What a second whole copy brings over a phone's hotspot: `python -m benchmarks.copies --out FILE`.

Real vLLM, GPT-2 124M with random weights, emulated PCs (root): `desk`, without a limit, has the address and
the clients; `laptop` and `wsl` (behind its Windows' NAT) run the copies with 0.4 of a core each, so that two
of them on one machine are twice one. Two copies are measured first; then `wsl` loses its power, and the other
is measured alone. Only the ratios mean anything elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from homecluster.store.paths import paths_from
from tests.cluster.pcs import Pc
from tests.lab.homes import LAN, home_named
from tests.lab.lab import Lab
from tests.lab.plan import HomePlan
from tests.waiting import within

_CLIENTS = Path(__file__).with_name("streaming_clients.py")
_PORT = 8000
_START_WITHIN_S = 600.0
_START_CORES = 1.0
"""While the engines start; the limit is for what is measured."""
_WARM_UP_S = 5.0
_UNPLUG_S = 20.0
_PARTS = {"short": (32, 32), "long": (512, 16)}
"""Tokens of a prompt and of its answer: a chat, and questions about a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    prompt: str
    concurrency: int

    @property
    def flags(self) -> tuple[str, ...]:
        prompt_tokens, output_tokens = _PARTS[self.prompt]
        return (
            *("--prompt-tokens", str(prompt_tokens), "--output-tokens", str(output_tokens)),
            *("--concurrency", str(self.concurrency)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One load on one host and on two; tokens are output tokens."""

    load: Load
    one: dict[str, Any]
    two: dict[str, Any]
    predicted_one_tokens_per_s: float
    predicted_two_tokens_per_s: float

    @property
    def ratio(self) -> float:
        return float(self.two["output_tokens_per_s"] / self.one["output_tokens_per_s"])

    @property
    def predicted_ratio(self) -> float:
        return self.predicted_two_tokens_per_s / self.predicted_one_tokens_per_s


_UNPLUG_LOAD = Load(prompt="short", concurrency=4)


def hotspot_with_nat() -> HomePlan:
    """a and c on the hotspot's Wi-Fi, and b as a WSL2 behind the NAT of its Windows, which is on it."""
    behind, air = home_named("wsl-nat", 2), home_named("hotspot", 3)
    (c,) = (each for each in air.interfaces if each.host == "c")
    on_air = tuple(
        replace(each, up=c.up, down=c.down, medium=c.medium, gso=c.gso)
        if each.segment == LAN
        else each
        for each in behind.interfaces
    )
    hosts = (*behind.hosts, next(host for host in air.hosts if host.name == "c"))
    return replace(behind, name="hotspot with NAT", hosts=hosts, interfaces=(*on_air, c))


def measure(
    loads: tuple[Load, ...], *, cores: float, seconds: float, devices: Path | None
) -> tuple[tuple[Row, ...], dict[str, Any]]:
    """(a row for each load, what clients saw while one of two copies lost its power)."""
    engines = str(paths_from(os.environ).engines)
    start = {"b": _START_CORES, "c": _START_CORES}
    with Lab(hotspot_with_nat(), cpu_cores=start) as lab:
        environment = {"HOMECLUSTER_ENGINES": engines}
        desk, wsl, laptop = (Pc(host=lab.host(name), env=environment) for name in "abc")
        desk.create()
        for pc, cpu in zip((wsl, laptop), cycle(sorted(os.sched_getaffinity(0)))):
            if devices is not None:
                shutil.copytree(devices, pc.state / "devices")
            with kept_to(cpu):
                joined = pc.join(desk.token())
            assert joined.returncode == 0, joined.stderr
        by_plan = [(predicted(desk, load, "c"), predicted(desk, load, "b,c")) for load in loads]
        up(desk, "b,c")
        for name in start:
            lab.set_cpu_cores(name, cores)
        two = [rate(desk, load, seconds) for load in loads]
        unplugged = clients(desk, _UNPLUG_LOAD, _UNPLUG_S, during=lambda: lab.crash("b"))
        within(60, lambda: serving(desk) == ["c"], lambda: str(serving(desk)))
        one = [rate(desk, load, seconds) for load in loads]
        desk.type("down", "--all")
    rows = tuple(
        Row(
            load=load, one=by_one, two=by_two,
            predicted_one_tokens_per_s=plan[0], predicted_two_tokens_per_s=plan[1],
        )
        for load, by_one, by_two, plan in zip(loads, one, two, by_plan, strict=True)
    )  # fmt: skip
    return rows, unplugged


@contextmanager
def kept_to(cpu: int) -> Iterator[None]:
    """What is started inside stays on one CPU of this machine: two PCs never share one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def shape(nodes: str) -> tuple[str, ...]:
    return (
        *("--nodes", nodes, "--replicas", str(len(nodes.split(",")))),
        *("--tensor-parallel", "1", "--pipeline-parallel", "1"),
    )


def up(desk: Pc, nodes: str) -> None:
    """Serve what every load fits into."""
    desk.document(
        *("up", "--model", "gpt2", "--random-weights", *shape(nodes), "--port", str(_PORT)),
        *("--prompt-tokens", "512", "--output-tokens", "32", "--concurrency", "16", "--detach"),
        timeout_s=_START_WITHIN_S,
    )


def serving(desk: Pc) -> list[str]:
    (job,) = desk.document("status")["jobs"]
    return [one["name"] for one in job["copies"] if one["serves"]]


def rate(desk: Pc, load: Load, seconds: float) -> dict[str, Any]:
    told = clients(desk, load, seconds)
    assert not told["broken"], told
    return told


def clients(
    desk: Pc, load: Load, seconds: float, *, during: Callable[[], object] | None = None
) -> dict[str, Any]:
    """What they saw; `during` happens in the middle of their time."""
    prompt_tokens, output_tokens = _PARTS[load.prompt]
    asked = {
        "model": "gpt2", "prompt_tokens": prompt_tokens, "output_tokens": output_tokens,
        "concurrency": load.concurrency, "warm_up_s": _WARM_UP_S, "seconds": seconds,
    }  # fmt: skip
    argv = [sys.executable, str(_CLIENTS), str(_PORT), json.dumps(asked)]
    with desk.host.running(argv, stdout=subprocess.PIPE, text=True) as ran:
        if during is not None:
            time.sleep(_WARM_UP_S + seconds / 2)
            during()
        out, _ = ran.communicate(timeout=seconds + _START_WITHIN_S)
    told: dict[str, Any] = json.loads(out)
    return told


def predicted(desk: Pc, load: Load, nodes: str) -> float:
    plans = desk.document("plan", "--model", "gpt2", *shape(nodes), *load.flags)
    return float(plans["plans"][0]["estimate"]["output_tokens_per_s"]["mid"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=float, default=0.4, help="of each host with a copy")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--prompts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each load")
    parser.add_argument("--devices", type=Path, help="HOME/devices of such a PC, already probed")
    parser.add_argument("--out", type=Path, help="Also keep the rows in this JSON file.")
    asked = parser.parse_args()
    loads = tuple(Load(prompt=p, concurrency=c) for p in asked.prompts for c in asked.concurrency)
    rows, unplugged = measure(
        loads, cores=asked.cores, seconds=asked.seconds, devices=asked.devices
    )
    print("prompt  in flight  one tokens/s  two tokens/s  ratio  predicted ratio")
    for row in rows:
        one, two = (each["output_tokens_per_s"] for each in (row.one, row.two))
        print(
            f"{row.load.prompt:6} {row.load.concurrency:10} {one:13.1f} {two:13.1f} {row.ratio:6.2f} "
            f"{row.predicted_ratio:16.2f}"
        )
    print(f"one of two unplugged: {unplugged}")
    if asked.out:
        keep(asked.out, rows, {"cores_each": asked.cores, "unplugged": unplugged})


def keep(path: Path, rows: tuple[Row, ...], facts: dict[str, Any]) -> None:
    """Rows of other loads that are there already stay: each run takes minutes."""
    tables = json.loads(path.read_text())["rows"] if path.exists() else []
    kept = {json.dumps(table["load"]): table for table in tables}
    for row in rows:
        ratios = {"ratio": row.ratio, "predicted_ratio": row.predicted_ratio}
        kept[json.dumps(asdict(row.load))] = asdict(row) | ratios
    document = {"schema": "homecluster.bench-copies/2", **facts, "rows": list(kept.values())}
    path.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
