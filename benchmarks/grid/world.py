"""The emulated PCs of the grid: their links changed while they run, and the engines on them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.grid.cells import LINKS, Load, Start, config_of, dtype_of, model_folder, spec_of
from homecluster.app.gang_share_launch import installation_of
from homecluster.domain.hardware import DeviceKind
from homecluster.engines.vllm_environment import engine_environment
from homecluster.engines.vllm_launch import DTYPE_NAMES, SERVER, server_arguments
from homecluster.store.engine_store import Engine
from homecluster.store.files import write_json
from tests.cluster.gang_in_lab import LabGang, lab_gang
from tests.lab.guest import Host
from tests.lab.lab import Lab
from tests.lab.link import Direction
from tests.lab.pipe import Shape
from tests.lab.plan import BYTES_PER_S_PER_MBIT, HomePlan

CONTEXT_TOKENS: Final = 256
CACHE_BYTES: Final = 512 * 1024**2
BATCH_TOKENS: Final = 2048
_PORT: Final = 27000
_START_WITHIN_S: Final = 300.0
_ON_ONE_CPU: Final = """
import os, sys
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[int(sys.argv[1])]})
os.execv(sys.argv[2], sys.argv[2:])
"""
_WAIT: Final = f"""
import time, urllib.request
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:{_PORT}/health", timeout=2)
        break
    except OSError:
        time.sleep(0.3)
"""
"""One process that asks again and again: it shares its PC with the engine that starts."""
_CLIENTS: Final = Path(__file__).with_name("clients.py")


def on_one_cpu(*argv: str, cpu: int = 0) -> list[str]:
    """The command bound to one CPU, as every engine of the grid is: a PC has as much for its messages too."""
    return [sys.executable, "-c", _ON_ONE_CPU, str(cpu), *argv]


def grid_lab(hosts: int, link: str = "1gbe") -> Lab:
    """PCs that hand over single packets: those joined by large segments would cross a slow link as one."""
    plan = LINKS[link](hosts)
    whole = tuple(replace(each, gso=False, name="eth0") for each in plan.interfaces)
    return Lab(replace(plan, interfaces=whole), hosts=hosts)


def set_links(lab: Lab, plan: HomePlan) -> None:
    """Every PC's way in and out is from now on as in this home."""
    for each in plan.interfaces:
        link = lab.link(each.host)
        link.share(each.medium)
        ways: tuple[tuple[Direction, Shape], ...] = (("up", each.up), ("down", each.down))
        for direction, shape in ways:
            assert shape.rate_bytes_per_s is not None
            link.set(
                direction=direction,
                rate_mbit=shape.rate_bytes_per_s / BYTES_PER_S_PER_MBIT,
                delay_ms=shape.delay_s * 1e3,
                jitter_ms=shape.jitter_s * 1e3,
                queue_kib=shape.queue_bytes / 1024,
            )


def carried_bytes(lab: Lab) -> int:
    """What the PCs sent over their links so far."""
    return sum(int(port["up"]["delivered_bytes"]) for port in lab.counters().values())


def make_model(engine: Engine, root: Path, model: str) -> Path:
    """Random weights in the model's shape, made once."""
    folder = model_folder(root, model)
    if folder.is_dir():
        return folder
    config = root / f"{folder.name}.json"
    write_json(config, config_of(model))
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", folder, "--seed", "0"],
        check=True, timeout=600,
    )  # fmt: skip
    return folder


Complete = Callable[[list[int], int], list[int]]


@contextmanager
def gang(lab: Lab, engine: Engine, model: Path, start: Start) -> Iterator[LabGang]:
    """The start's layout, running."""
    with lab_gang(
        lab,
        engine,
        model,
        backend=start.backend,
        tensor_parallel=start.tensor_parallel,
        partition=start.partition,
        small_collectives=start.small_collectives,
        dtype=DTYPE_NAMES[dtype_of(start.model)],
        cache_bytes=CACHE_BYTES,
        batch_tokens=BATCH_TOKENS,
        max_model_len=CONTEXT_TOKENS,
    ) as running:
        running.wait_until_it_runs()
        yield running


@contextmanager
def single(lab: Lab, engine: Engine, model: Path, start: Start) -> Iterator[float]:
    """The model on one CPU of one PC, as `up` starts it; seconds until its first token."""
    host = lab.host("a")
    installation = installation_of(engine)
    environment = engine_environment(
        kind=DeviceKind.CPU,
        ranks=1,
        cores=installation.cores[:1],
        weights_local=True,
        openmp_library=installation.openmp_library,
    )
    argv = on_one_cpu(
        installation.python,
        *("-m", SERVER, "--model", str(model), "--served-model-name=tiny"),
        *("--max-model-len", str(CONTEXT_TOKENS), "--dtype", DTYPE_NAMES[dtype_of(start.model)]),
        *("--max-num-batched-tokens", str(BATCH_TOKENS), "--enforce-eager"),
        *("--kv-cache-memory-bytes", str(CACHE_BYTES), "--seed", "0"),
        *server_arguments("127.0.0.1", _PORT),
    )
    begun_s = time.monotonic()
    with host.running(
        argv, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        waited = host.run([sys.executable, "-S", "-c", _WAIT], timeout=_START_WITHIN_S)
        assert waited.returncode == 0, waited.stderr
        yield time.monotonic() - begun_s


class Clients:
    """Of the engine on one PC; they use whatever CPU is free."""

    def __init__(self, process: subprocess.Popen[str], start: Start) -> None:
        self._process = process
        self._vocabulary = spec_of(start.model).vocab_size

    def play(self, load: Load, output_tokens: int) -> dict[str, float]:
        asked = {
            "requests": load.requests,
            "prompt_tokens": load.prompt_tokens,
            "output_tokens": output_tokens,
            "vocabulary": self._vocabulary,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told: dict[str, float] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def clients(host: Host, start: Start) -> Iterator[Clients]:
    argv = [sys.executable, str(_CLIENTS), str(_PORT)]
    with host.running(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Clients(process, start)


def answer(host: Host, prompt: list[int], count: int) -> list[int]:
    """Greedy token ids."""
    body = json.dumps({
        "model": "tiny", "prompt": prompt, "max_tokens": count, "temperature": 0, "ignore_eos": True,
        "return_token_ids": True,
    })  # fmt: skip
    asked = (
        "import sys, urllib.request as u; "
        f"r = u.Request('http://127.0.0.1:{_PORT}/v1/completions', sys.argv[1].encode(), "
        "{'Content-Type': 'application/json'}); print(u.urlopen(r, timeout=150).read().decode())"
    )
    done = host.run([sys.executable, "-S", "-c", asked, body], timeout=160)
    tokens: list[int] = json.loads(done.stdout)["choices"][0]["token_ids"]
    return tokens
