"""How long the search for the best layout takes, how near the best it is proved to be, and its memory.

    python -m benchmarks.search [DEVICES ...]

Homes of one card each, no two cards, hosts and links alike; by default 8, 32 and 1000.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from dataclasses import replace
from itertools import permutations
from typing import Final

from homecluster.domain.hardware import Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.workload import Serve
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.models import find_model

SIZES: Final = (8, 32, 1000)
CARDS: Final = ("4090", "3090", "3060", "4070", "4080", "3080", "4060", "3070")
CASES: Final = (
    ("gpt2", 1),
    ("gpt2", 64),
    ("llama-3-8b", 1),
    ("llama-3-8b", 8),
    ("llama-3-8b", 64),
    ("llama-3-8b", 256),
    ("llama-3.1-70b", 8),
    ("llama-3.1-70b", 64),
)
_LINKED: Final = 64
"""Among more PCs than that, only the first of them know their links: a campus was never measured pair by pair."""


def unlike(count: int) -> Cluster:
    """So many PCs with one card each, no two hosts and no two links alike."""
    nodes = tuple(_node(index) for index in range(count))
    near = nodes[:_LINKED]
    return Cluster(
        nodes=nodes,
        links=tuple(
            _link(a.id, b.id, number) for number, (a, b) in enumerate(permutations(near, 2))
        ),
    )


def _node(index: int) -> Node:
    card = CARDS[index % len(CARDS)]
    document = (
        'schema = "homecluster.cluster/1"\n[nodes.pc]\nram = "32 GiB"\n[[nodes.pc.devices]]\n'
        f'kind = "cuda"\nname = "NVIDIA GeForce RTX {card}"\nstep_overhead = "{4 + index / 1000} ms"\n'
    )
    (node,) = parse_cluster(document, file="benchmark", as_json=False).nodes
    name = NodeId(f"pc{index}")
    (device,) = node.devices
    own = replace(device, id=DeviceId(f"{name}/cuda:0"), node_id=name)
    return replace(node, id=name, hostname=name, devices=(own,))


def _link(src: NodeId, dst: NodeId, number: int) -> Link:
    return Link(
        src=src,
        dst=dst,
        latency_s=0.15e-3 + number * 1e-8,
        bandwidth_bytes_per_s=1.15e8 + number,
    )


def measure(count: int, model: str, requests: int) -> str:
    home, spec = unlike(count), find_model(model).spec
    workload = Serve(concurrent_requests=requests)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    plans = plan(home, spec, workload, Pins())
    took_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    tracemalloc.start()
    plan(home, spec, workload, Pins())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gap = "nothing runs" if plans.gap is None else f"gap {plans.gap:7.1%}"
    return (
        f"{count:5} devices  {model:14} {requests:3} in flight  {took_s * 1e3:6.0f} ms, "
        f"{cpu_s * 1e3:6.0f} of a processor  "
        f"{len(plans.plans):4} plans  {gap}  {peak_bytes / 1e6:6.1f} MB"
    )


def main() -> None:
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    for count in sizes:
        for model, requests in CASES:
            print(measure(count, model, requests), flush=True)


if __name__ == "__main__":
    main()
