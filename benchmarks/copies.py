"""What a second whole copy brings over a phone's hotspot: tokens/s of one host and of two, in one run.

    python -m benchmarks.copies [--cores 0.4] [--concurrency 4] [--seconds 60] > copies.json

Emulated hosts (root), real vLLM, GPT-2 124M with random weights; each host gets that share of one core, so
that two hosts on one machine are twice the machine. Only the ratio means anything elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from homecluster.store.paths import paths_from
from tests.cluster.pcs import Pc
from tests.lab.lab import Lab

_CLIENT = Path(__file__).parents[1] / "tests" / "cluster" / "chat_client.py"
_PORT = 8000
_START_WITHIN_S = 1200.0
_OUTPUT_TOKENS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", default="hotspot")
    parser.add_argument("--cores", type=float, default=0.4)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    engines = str(paths_from(os.environ).engines)
    with Lab(options.home, hosts=2, cpu_cores={"a": options.cores, "b": options.cores}) as lab:
        environment = {"HOMECLUSTER_ENGINES": engines}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        b.join(a.token())
        one = _rate(a, 1, "a", options)
        two = _rate(a, 2, "a,b", options)
    found = {
        "schema": "homecluster.bench-copies/1",
        "home": options.home,
        "cores_each": options.cores,
        "concurrency": options.concurrency,
        "one_tokens_per_s": one,
        "two_tokens_per_s": two,
        "ratio": two / one,
    }
    print(json.dumps(found, indent=2))


def _rate(pc: Pc, copies: int, nodes: str, options: argparse.Namespace) -> float:
    """Output tokens/s through the address, while so many requests are always in flight."""
    up = pc.document(
        *("up", "--model", "gpt2", "--random-weights", "--replicas", str(copies), "--nodes", nodes),
        *("--prompt-tokens", "64", "--output-tokens", str(_OUTPUT_TOKENS), "--port", str(_PORT)),
        *("--concurrency", str(options.concurrency), "--tensor-parallel", "1"),
        *("--pipeline-parallel", "1", "--detach"),
        timeout_s=_START_WITHIN_S,
    )
    argv = [
        *(sys.executable, str(_CLIENT), str(_PORT), "rate", up["served_model"]),
        *(str(_OUTPUT_TOKENS), str(options.concurrency), str(options.seconds)),
    ]
    ran = pc.host.run(argv, timeout=options.seconds + _START_WITHIN_S)
    pc.type("down", "--all")
    told: dict[str, Any] = json.loads(ran.stdout)
    assert not told["failed"], told
    return float(told["tokens_per_s"])


if __name__ == "__main__":
    main()
