"""The founders' sweep: GPT-2 behind HTTP with more and more copies of it on one device, each a Ray actor.

Runs inside the engine environment:

    python -m homecluster.jobs.serve_replicas --replicas 1,2,4,8 --requests 1000 --in-flight 16

Random weights; each copy computes on one core and shares its weights with the others (`zero_copy`). Prints one
JSON document: response time, throughput, processor and memory by number of copies, and where the knee is.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import random
import socket
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.knee import Point, find_knee, predicted_requests_per_s
from homecluster.jobs.private_ray import MIB, private_ray
from homecluster.jobs.zero_copy import load, share

SCHEMA: Final = "homecluster.replicas/1"
SHAPES: Final = {
    "gpt2": {},
    "tiny": {"n_embd": 64, "n_layer": 2, "n_head": 2, "vocab_size": 512, "n_positions": 128},
}
"""Changes to transformers' GPT2Config, whose defaults are GPT-2 124M."""
_PROMPT_TOKENS: Final = 16
_OUTPUT_TOKENS: Final = 8
_FIRST_PORT, _LAST_PORT = 20_000, 29_000
_ANSWER_LIMIT_S: Final = 300.0
_WARM_UP: Final = 2
"""Requests per copy before the clock runs."""


class Copy:
    """One copy of the model: a Ray actor."""

    def __init__(self, shared: list[Any]) -> None:
        import torch

        torch.set_num_threads(1)
        self._model: Any = load(shared[0])

    def answer(self) -> dict[str, Any]:
        """Greedy tokens of a fixed prompt, and whose they are."""
        import torch

        tokens = torch.arange(1, 1 + _PROMPT_TOKENS)[None]
        begin = time.perf_counter()
        with torch.no_grad():
            for _ in range(_OUTPUT_TOKENS):
                logits = self._model(tokens).logits[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], dim=1)
        return {
            "pid": os.getpid(),
            "service_s": time.perf_counter() - begin,
            "tokens": tokens[0, _PROMPT_TOKENS:].tolist(),
        }


def gpt2(shape: str) -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(4)
    return GPT2LMHeadModel(GPT2Config(**SHAPES[shape])).eval()


class Front(ThreadingHTTPServer):
    """HTTP before the copies: a request waits for a free one, and each works on one at a time."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, copies: list[Any]) -> None:
        super().__init__(("127.0.0.1", unused_port()), _Handler)
        self.free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for copy in copies:
            self.free.put(copy)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        import ray

        assert isinstance(self.server, Front)
        copy = self.server.free.get()
        try:
            body = json.dumps(ray.get(copy.answer.remote())).encode()
        finally:
            self.server.free.put(copy)
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A line per request would fill the terminal."""


def unused_port() -> int:
    """A port that nobody listens on, apart from the range that the system gives to clients."""
    for _ in range(200):
        port = random.randrange(_FIRST_PORT, _LAST_PORT)  # noqa: S311 - not a secret
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port between 20000 and 29000 is free")


def asked_once(port: int) -> tuple[float, dict[str, Any]]:
    """(response time, answer) of one request on a connection of its own, as the founders' client made them."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_LIMIT_S)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"the server answered {answer.status}: {body[:200]!r}")
    return time.perf_counter() - begin, json.loads(body)


def measured(port: int, replicas: int, requests: int, in_flight: int) -> dict[str, Any]:
    """One row of the sweep: `requests` answers with `in_flight` asked for at all times."""
    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(lambda _: asked_once(port), range(_WARM_UP * replicas)))
        busy, begin = _busy_s(), time.perf_counter()
        answers = list(pool.map(lambda _: asked_once(port), range(requests)))
        took_s, worked_s = time.perf_counter() - begin, _busy_s() - busy
    times = sorted(seconds for seconds, _ in answers)
    pids = {answer["pid"] for _, answer in answers}
    return {
        "replicas": replicas,
        "requests_per_s": requests / took_s,
        "response_s": {"p50": statistics.median(times), "p95": times[int(0.95 * (len(times) - 1))]},
        "service_s": statistics.median(answer["service_s"] for _, answer in answers),
        "processor_share": min(1.0, worked_s / took_s / _cores()),
        "memory_bytes": sum(map(_own_bytes, pids)),
        "answering": len(pids),
        "same_tokens": len({tuple(answer["tokens"]) for _, answer in answers}) == 1,
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _busy_s() -> float:
    """Seconds that all cores of this PC have worked so far."""
    user, nice, system, _idle, _waiting, *rest = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


def _own_bytes(pid: int) -> int:
    """A process's memory, shared pages counted by their share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _memory_total_bytes() -> int:
    (line,) = (one for one in Path("/proc/meminfo").read_text().splitlines() if one.startswith("MemTotal:"))  # fmt: skip
    return 1024 * int(line.split()[1])


def sweep(shape: str, counts: list[int], requests: int, in_flight: int) -> list[dict[str, Any]]:
    """Every number of copies in turn; all copies of all rounds share one set of weights."""
    import ray

    shared = [share(gpt2(shape))]
    begun = ray.remote(Copy).options(num_cpus=0, max_restarts=0)
    rows = []
    for count in counts:
        sys.stderr.write(f"{count} copies\n")
        copies = [begun.remote(shared) for _ in range(count)]
        ray.get([copy.answer.remote() for copy in copies])
        with Front(copies) as front:
            threading.Thread(target=front.serve_forever, daemon=True).start()
            rows.append(measured(front.server_port, count, requests, in_flight))
            front.shutdown()
        for copy in copies:
            ray.kill(copy)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=tuple(SHAPES), default="gpt2")
    parser.add_argument("--replicas", default="1,2,4,8")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=16)
    asked = parser.parse_args()
    counts = [int(part) for part in asked.replicas.split(",")]
    # Every process of Ray's needs threads; each copy should keep to one core.
    os.environ["OMP_NUM_THREADS"] = "1"
    with private_ray(cpus=2, store_bytes=1024 * MIB):
        rows = sweep(asked.shape, counts, asked.requests, asked.in_flight)
    service_s, total = rows[0]["service_s"], _memory_total_bytes()
    for row in rows:
        row["predicted_requests_per_s"] = predicted_requests_per_s(
            row["replicas"], service_s=service_s, cores=_cores(), in_flight=asked.in_flight
        )
    knee = find_knee(
        [
            Point(
                replicas=row["replicas"],
                requests_per_s=row["requests_per_s"],
                processor_share=row["processor_share"],
                memory_share=row["memory_bytes"] / total,
            )
            for row in rows
        ]
    )
    document = {
        "schema": SCHEMA,
        "shape": asked.shape,
        "requests": asked.requests,
        "in_flight": asked.in_flight,
        "cores": _cores(),
        "curve": rows,
        "knee": {"replicas": knee.replicas, "binds": knee.binds, "reason": knee.reason},
    }
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
