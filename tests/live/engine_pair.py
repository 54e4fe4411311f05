"""One copy of a model by real vLLM over two PCs of a lab, with the engine's own small collectives or ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.vllm_gang_command import share_command
from homecluster.engines.vllm_launch import Installation
from homecluster.inventory.system import read_system
from homecluster.store.engine_store import Engine
from tests.fakes.gangs import order
from tests.lab.lab import Lab
from tests.ports import unused_port
from tests.waiting import within

START_S = 180.0
ASK = """
import http.client, json, sys, time
port, path, body = int(sys.argv[1]), sys.argv[2], sys.argv[3]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
begun = time.monotonic()
try:
    if body:
        connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
    else:
        connection.request("GET", path)
    answer = connection.getresponse()
    status, said = answer.status, answer.read().decode()
except (OSError, http.client.HTTPException) as error:
    status, said = 0, str(error)
print(json.dumps([status, said, time.monotonic() - begun]))
"""


@dataclass
class EnginePair:
    """vLLM with TP=2: rank 0 and the API on host a, rank 1 on host b."""

    lab: Lab
    port: int
    processes: list[subprocess.Popen[Any]]
    logs: list[Path]

    def wait_until_it_answers(self, limit_s: float = START_S) -> None:
        within(limit_s, lambda: self.answers() or self.ended(), self.told)
        assert self.answers(), self.told()

    def answers(self) -> bool:
        return self._ask("/health")[0] == 200

    def ended(self) -> bool:
        """Any of the two is over."""
        return any(process.poll() is not None for process in self.processes)

    def all_ended(self) -> bool:
        return all(process.poll() is not None for process in self.processes)

    def log(self, host: int) -> str:
        return self.logs[host].read_text(errors="replace")

    def told(self) -> str:
        return "\n".join(self.log(host)[-3000:] for host in range(2))

    def complete(self, prompt: object, tokens: int) -> tuple[list[int], float]:
        """(greedy token ids, seconds)."""
        status, said, seconds = self._ask("/v1/completions", _request(prompt, tokens))
        assert status == 200, said
        return json.loads(said)["choices"][0]["token_ids"], seconds

    def status_of_a_request(self) -> int:
        """HTTP status; 0 where the server went away."""
        return self._ask("/v1/completions", _request("42", 4))[0]

    def token_interval_s(self, prompt: object, tokens: int) -> float:
        """Seconds from token to token: a long answer less a short one."""
        _, one_s = self.complete(prompt, 1)
        _, all_s = self.complete(prompt, tokens)
        return (all_s - one_s) / (tokens - 1)

    def _ask(self, path: str, body: str = "") -> tuple[int, str, float]:
        done = self.lab.host("a").run(
            [sys.executable, "-c", ASK, str(self.port), path, body], timeout=220
        )
        status, said, seconds = json.loads(done.stdout)
        return status, said, seconds


def _request(prompt: object, tokens: int) -> str:
    return json.dumps({
        "model": "tiny", "prompt": prompt, "max_tokens": tokens, "temperature": 0,
        "ignore_eos": True, "return_token_ids": True,
    })  # fmt: skip


@contextmanager
def engine_pair(
    lab: Lab,
    engine: Engine,
    model: Path,
    choice: SmallCollectives,
    folder: Path,
    *,
    dtype: str = "float32",
    context_tokens: int = 256,
) -> Iterator[EnginePair]:
    """Started, not yet ready; killed at the end of the block."""
    hosts = [lab.host(name) for name in ("a", "b")]
    cores = read_system().engine_cores
    port = unused_port()
    common = {
        "addresses": tuple(host.address for host in hosts), "model": "tiny",
        "served_model": "tiny", "max_model_len": context_tokens, "dtype": dtype,
        "cache_bytes": 64 * 1024**2, "partition": (4,), "meeting_port": unused_port(),
        "batch_tokens": 256, "small_collectives": choice,
    }  # fmt: skip
    processes, logs = [], []
    try:
        for share, host in enumerate(hosts):
            command = share_command(
                order(**(common | {"share": share, "api_port": 0 if share else port})),
                node=NodeId(host.name),
                interface=lab.plan.interface(host.name).name,
                model_folder=str(model),
                is_local=True,
                installation=Installation(
                    python=str(engine.python),
                    cores=(cores[share % len(cores)],),
                    openmp_library=engine.openmp_library,
                ),
            )
            log = folder / f"{host.name}-{choice}-{time.monotonic_ns()}.log"
            logs.append(log)
            with log.open("w") as sink:
                processes.append(
                    host.popen(
                        command.argv, env=dict(command.env),
                        stdout=sink, stderr=subprocess.STDOUT, cwd=folder,
                    )
                )  # fmt: skip
        yield EnginePair(lab=lab, port=port, processes=processes, logs=logs)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _end_orphans(lab)


def _end_orphans(lab: Lab) -> None:
    """What a killed server left on the hosts; only their own process ids are in sight there."""
    for name in ("a", "b"):
        lines = lab.host(name).run(["ps", "-ww", "-eo", "pid=,args="]).stdout.splitlines()
        pids = [line.split()[0] for line in lines if "vllm" in line.lower()]
        if pids:
            lab.host(name).run(["kill", "-9", *pids])
