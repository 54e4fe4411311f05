"""What the planner says of a cell of the training grid, from one probed PC and the measured links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

from benchmarks.training_facts import HOMES, Cell
from homecluster.app.links import believed_links
from homecluster.app.plan_training import make_train_plans
from homecluster.domain.hardware import DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train, TrainPlan
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.model_config import parse_config
from netprobe.report import parse_report
from tests.lab.homes import host_names

CONFIG: Final[dict[str, Any]] = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "torch_dtype": "bfloat16",
    "n_embd": 320, "n_layer": 2, "n_head": 5, "n_positions": 256, "vocab_size": 1024,
    "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
}  # fmt: skip
"""2.9 M parameters: a step over the hotspot takes seconds; each matrix is beyond DeepSpeed's 1e5 elements, below which
stage 3 keeps them whole."""
SEQUENCE_TOKENS: Final = 128
BATCH: Final = 12
_AIR: Final = "air"


def forecast(facts: Mapping[str, Any], cell: Cell) -> TrainPlan:
    """The plan of exactly this cell."""
    workload = Train(
        sequence_tokens=SEQUENCE_TOKENS,
        global_batch=BATCH,
        method=cell.method,
        zero_stage=cell.stage,
        dtype=DType.BF16,
    )
    spec = parse_config(CONFIG, name="small-gpt2", where="benchmarks")
    names = host_names(cell.hosts)
    plans = make_train_plans(_cluster(facts, cell), spec, workload, names).plans
    return next(plan for plan in plans if len(plan.nodes) == cell.hosts)


def _cluster(facts: Mapping[str, Any], cell: Cell) -> Cluster:
    """So many PCs that are the probed one, each pair joined by the measured link; radios share one air."""
    (known,) = parse_cluster(json.dumps(facts["device"]), file="training.json", as_json=True).nodes
    nodes = [NodeId(name) for name in host_names(cell.hosts)]
    report = parse_report({"samples": {}, **facts["links"][cell.home]})
    medium = _AIR if HOMES[cell.home].radio else None
    links = tuple(
        replace(link, medium=medium)
        for a, b in combinations(nodes, 2)
        for link in believed_links(report, a, b, DeviceKind.CPU)
    )
    return Cluster(nodes=tuple(_named(known, node) for node in nodes), links=links)


def _named(known: Node, name: NodeId) -> Node:
    devices = tuple(
        replace(device, id=DeviceId(f"{name}/{device.id.rpartition('/')[2]}"), node_id=name)
        for device in known.devices
    )
    return replace(known, id=name, hostname=name, devices=devices)
