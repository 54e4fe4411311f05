"""What the planner says of a gang from one probed core and measured links, before anybody started it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from benchmarks.gang_facts import Cell, Shape, device_name, links_name, pairs
from homecluster.app.links import believed_links
from homecluster.app.plan import make_plans
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_gang_bytes import Spread, Traffic, planned_bytes
from homecluster.planner.candidates import Pins
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.engine_store import Engine
from homecluster.store.models import find_model
from netprobe.report import parse_report
from tests.cluster.gang_in_lab import gang_lab
from tests.lab.homes import host_names
from tests.lab.lab import Lab
from tests.netprobe.in_lab import served

OUTPUT_TOKENS: Final = 32
_PROBE_WITHIN_S: Final = 270.0
_ON_ONE_CPU: Final = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_LINK_WITHIN_S: Final = 120.0


def probed_device(engine: Engine, shape: Shape) -> dict[str, Any]:
    """The cluster document of one PC with that share of the machine, as `homecluster probe` prints it."""
    with Lab("1gbe", hosts=1, cpu_cores={"a": shape.cores}) as lab:
        ran = lab.host("a").run(
            [sys.executable, "-c", _ON_ONE_CPU, "-m", "homecluster", "probe", "--json"],
            env={"HOMECLUSTER_ENGINES": str(engine.path.parent)},
            timeout=_PROBE_WITHIN_S,
            check=True,
        )
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def probed_links(engine: Engine, home: str, hosts: int) -> list[dict[str, Any]]:
    """netprobe's report of every pair of PCs, with the engine's own all-reduce."""
    options = ("--engine-python", str(engine.python))
    names = host_names(hosts)
    with gang_lab(home, hosts) as lab, served(lab, *names, options=options):
        return [
            {"src": src, "dst": dst, "report": _probe(lab, src, dst, options)}
            for src, dst in pairs(names)
        ]


def _probe(lab: Lab, src: str, dst: str, options: tuple[str, ...]) -> dict[str, Any]:
    argv = [sys.executable, "-m", "netprobe", "run", lab.host(dst).address, "--json", *options]
    ran = lab.host(src).run(argv, timeout=_LINK_WITHIN_S)
    report: dict[str, Any] = json.loads(ran.stdout)
    report.pop("samples", None)
    return report


def believed_cluster(facts: Mapping[str, Any], cell: Cell) -> Cluster:
    """So many PCs that are the probed one, joined by the measured links."""
    shape = cell.shape
    document = json.dumps(facts["devices"][device_name(shape)])
    (known,) = parse_cluster(document, file="gangs.json", as_json=True).nodes
    nodes = tuple(_named(known, NodeId(name)) for name in host_names(shape.hosts))
    links = tuple(
        link
        for one in facts["links"][links_name(cell.home, shape.hosts)]
        for link in believed_links(
            parse_report({"samples": {}, **one["report"]}),
            NodeId(one["src"]),
            NodeId(one["dst"]),
            DeviceKind.CPU,
        )
    )
    return Cluster(nodes=nodes, links=links)


def _named(known: Node, name: NodeId) -> Node:
    devices = tuple(
        replace(device, id=DeviceId(f"{name}/{device.id.rpartition('/')[2]}"), node_id=name)
        for device in known.devices
    )
    return replace(known, id=name, hostname=name, devices=devices)


def forecast(facts: Mapping[str, Any], cell: Cell) -> Estimate:
    """The planner's estimate of exactly this layout."""
    shape = cell.shape
    pins = Pins(
        tensor_parallel=shape.tensor_parallel,
        pipeline_parallel=len(shape.partition),
        partition=shape.partition,
        replicas=1,
        small_collectives=shape.small_collectives,
    )
    workload = Serve(
        prompt_tokens=1, output_tokens=OUTPUT_TOKENS, dtype=DType.BF16, max_model_len=256
    )
    plans = make_plans(believed_cluster(facts, cell), find_model("gpt2").spec, workload, pins).plans
    return next(plan.estimate for plan in plans if len(plan.nodes) == shape.hosts)


def forecast_bytes(cell: Cell) -> int:
    """Of one output token over all links, both ways, headers included."""
    shape = cell.shape
    spread = Spread(
        tensor_parallel=shape.tensor_parallel,
        stages=len(shape.partition),
        small_collectives=shape.small_collectives,
    )
    one = Traffic(input_tokens=0, output_tokens=1, requests=1, dtype_bytes=2)
    return planned_bytes(find_model("gpt2").spec, spread, one)
