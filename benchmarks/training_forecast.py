"""What the planner says of a cell of the training grid, from the PC and the links that the serving grid has probed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

from benchmarks.grid import facts
from benchmarks.grid.cells import LINKS
from benchmarks.training_cells import BATCH, CONFIG, LORA_RANK, SEQUENCE_TOKENS, Cell, cores_of
from homecluster.app.links import believed_links
from homecluster.app.plan_training import make_train_plans
from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train, TrainPlan
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.model_config import parse_config
from netprobe.report import parse_report
from tests.lab.homes import host_names


def forecast(cell: Cell) -> TrainPlan:
    """The plan of exactly this cell."""
    workload = Train(
        sequence_tokens=SEQUENCE_TOKENS,
        global_batch=BATCH,
        method=cell.method,
        lora_rank=LORA_RANK,
        zero_stage=cell.stage,
        dtype=DType.BF16,
    )
    spec = parse_config(CONFIG, name="small-gpt2", where="the training grid")
    plans = make_train_plans(_cluster(cell), spec, workload, host_names(cell.hosts)).plans
    return next(plan for plan in plans if len(plan.nodes) == cell.hosts)


def _cluster(cell: Cell) -> Cluster:
    """So many PCs that are the probed one, each pair joined by the probed link; radios share one air."""
    document = json.dumps(facts.known(facts.DEVICES)["1 CPU"])
    (known,) = parse_cluster(document, file=facts.DEVICES, as_json=True).nodes
    nodes = [NodeId(name) for name in host_names(cell.hosts)]
    report = parse_report({"samples": {}, **facts.known(facts.LINKS)[cell.home]})
    medium = LINKS[cell.home](cell.hosts).interfaces[0].medium
    links = tuple(
        replace(link, medium=medium)
        for a, b in combinations(nodes, 2)
        for link in believed_links(report, a, b, DeviceKind.CPU)
    )
    share = cores_of(cell.hosts)
    return Cluster(nodes=tuple(_as(known, node, share) for node in nodes), links=links)


def _as(known: Node, name: NodeId, share: float) -> Node:
    """The probed PC with another name and a share of its CPU."""
    devices = tuple(
        replace(
            _slower(device, share),
            id=DeviceId(f"{name}/{device.id.rpartition('/')[2]}"),
            node_id=name,
        )
        for device in known.devices
    )
    return replace(known, id=name, hostname=name, devices=devices)


def _slower(device: Device, share: float) -> Device:
    return replace(
        device,
        memory_bandwidth_bytes_per_s=share * device.memory_bandwidth_bytes_per_s,
        peak_flop_per_s=tuple((dtype, share * rate) for dtype, rate in device.peak_flop_per_s),
        layer_overhead_s=device.layer_overhead_s / share,
    )
