"""One copy of a model by real vLLM over the PCs of a lab, with the engine's own small collectives or ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
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
from tests.fakes.gangs import new_job, order
from tests.lab.guest import Host
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
STREAM = """
import http.client, json, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=200)
connection.request("POST", "/v1/completions", body=sys.argv[2], headers={"Content-Type": "application/json"})
arrivals = []
for line in connection.getresponse():
    if line.startswith(b"data: {"):
        arrivals.append([time.monotonic(), json.loads(line[6:])["choices"][0]["token_ids"]])
print(json.dumps(arrivals))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A greedy one, as it arrived."""

    tokens: list[int]
    tokens_per_s: float
    """After the first came."""
    tokens_per_step: float
    """More than 1 where drafted tokens were right."""


@dataclass
class EngineCopy:
    """vLLM with rank 0 and the API on host a, one rank on each further host."""

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
        """Any of its processes is over."""
        return any(process.poll() is not None for process in self.processes)

    def all_ended(self) -> bool:
        return all(process.poll() is not None for process in self.processes)

    def log(self, host: int) -> str:
        return self.logs[host].read_text(errors="replace")

    def told(self) -> str:
        return "\n".join(self.log(host)[-3000:] for host in range(len(self.logs)))

    def complete(self, prompt: object, tokens: int) -> tuple[list[int], float]:
        """(greedy token ids, seconds)."""
        status, said, seconds = self._ask("/v1/completions", _request(prompt, tokens))
        assert status == 200, said
        return json.loads(said)["choices"][0]["token_ids"], seconds

    def status_of_a_request(self) -> int:
        """HTTP status; 0 where the server went away."""
        return self._ask("/v1/completions", _request("42", 4))[0]

    def stream(self, prompt: object, tokens: int) -> Answer:
        body = _request(prompt, tokens, stream=True)
        done = self.lab.host("a").run(
            [sys.executable, "-c", STREAM, str(self.port), body], timeout=220, check=True
        )
        arrivals = json.loads(done.stdout)
        ids = [token for _, some in arrivals for token in some]
        (first_s, first), (last_s, _) = arrivals[0], arrivals[-1]
        later = len(ids) - len(first)
        return Answer(
            tokens=ids,
            tokens_per_s=later / (last_s - first_s),
            tokens_per_step=later / (len(arrivals) - 1),
        )

    def _ask(self, path: str, body: str = "") -> tuple[int, str, float]:
        done = self.lab.host("a").run(
            [sys.executable, "-c", ASK, str(self.port), path, body], timeout=220
        )
        status, said, seconds = json.loads(done.stdout)
        return status, said, seconds


def _request(prompt: object, tokens: int, *, stream: bool = False) -> str:
    return json.dumps({
        "model": "tiny", "prompt": prompt, "max_tokens": tokens, "temperature": 0,
        "ignore_eos": True, "return_token_ids": True, "stream": stream,
    })  # fmt: skip


@contextmanager
def engine_copy(
    lab: Lab,
    engine: Engine,
    model: Path,
    choice: SmallCollectives,
    folder: Path,
    **changes: Any,
) -> Iterator[EngineCopy]:
    """Started on all hosts, not yet ready; killed at the end of the block. `changes` are fields of the order."""
    hosts = list(lab.hosts.values())
    cores = read_system().engine_cores
    port = unused_port()
    common = {
        "job": new_job(), "addresses": tuple(host.address for host in hosts), "model": "tiny",
        "served_model": "tiny", "max_model_len": 256, "dtype": "float32",
        "cache_bytes": 64 * 1024**2, "tensor_parallel": len(hosts), "partition": (4,),
        "meeting_port": unused_port(), "batch_tokens": 256, "small_collectives": choice, **changes,
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
        yield EngineCopy(lab=lab, port=port, processes=processes, logs=logs)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        end_orphans(lab.hosts.values())


def end_orphans(hosts: Iterable[Host]) -> None:
    """What a killed server left on the hosts; only their own process ids are in sight there."""
    for host in hosts:
        lines = host.run(["ps", "-ww", "-eo", "pid=,args="]).stdout.splitlines()
        pids = [line.split()[0] for line in lines if "vllm" in line.lower()]
        if pids:
            host.run(["kill", "-9", *pids])
