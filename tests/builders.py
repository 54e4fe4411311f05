"""Ordinary values to start a test from; each test changes what it is about."""

from __future__ import annotations

from typing import Any

from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Layout, Stage
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.units import GIB
from homecluster.store.models import find_model


def model(name: str = "gpt2") -> ModelSpec:
    """A model of the catalogue."""
    return find_model(name).spec


def device(
    node: str = "a", index: int = 0, kind: DeviceKind = DeviceKind.CUDA, **changes: Any
) -> Device:
    """A round 24 GiB card of 1 TB/s and 100 TFLOP/s, or a CPU of the same figures."""
    values: dict[str, Any] = {
        "id": DeviceId(f"{node}/{kind.value}:{index}"),
        "node_id": NodeId(node),
        "kind": kind,
        "name": "round card",
        "memory_total_bytes": 24 * GIB,
        "memory_free_bytes": 24 * GIB,
        "memory_bandwidth_bytes_per_s": 1e12,
        "peak_flop_per_s": ((DType.BF16, 1e14), (DType.FP16, 1e14), (DType.FP32, 5e13)),
        "step_overhead_s": 1e-3,
        "layer_overhead_s": 1e-5,
        "sequence_overhead_s": 1e-5,
        "compute_capability": (8, 9) if kind is DeviceKind.CUDA else None,
    }
    return Device(**(values | changes))


def node(name: str = "a", *devices: Device, **changes: Any) -> Node:
    """A PC with one round card unless devices are given."""
    values: dict[str, Any] = {
        "id": NodeId(name),
        "hostname": name,
        "os": "linux",
        "ram_bytes": 64 * GIB,
        "cpu_cores": 8,
        "devices": devices or (device(name),),
    }
    return Node(**(values | changes))


def link(src: str = "a", dst: str = "b", **changes: Any) -> Link:
    """One direction of a cable of 1 ms round trip and 100 MB/s."""
    values: dict[str, Any] = {
        "src": NodeId(src),
        "dst": NodeId(dst),
        "latency_s": 0.5e-3,
        "bandwidth_bytes_per_s": 1e8,
    }
    return Link(**(values | changes))


def cluster(*nodes: Node, **link_changes: Any) -> Cluster:
    """PCs joined each to each by links that differ from `link` by `link_changes`."""
    names = [one.id for one in nodes]
    return Cluster(
        nodes=nodes,
        links=tuple(link(a, b, **link_changes) for a in names for b in names if a != b),
    )


def copy_of(spec: ModelSpec, *stages: tuple[int, tuple[str, ...]]) -> Copy:
    """Pipeline stages from (layers, devices)."""
    made, start = [], 0
    for layers, devices in stages:
        made.append(
            Stage(
                layer_start=start,
                layer_stop=start + layers,
                devices=tuple(DeviceId(one) for one in devices),
            )
        )
        start += layers
    assert start == spec.layers
    return tuple(made)


def layout_of(*copies: Copy) -> Layout:
    return Layout(engine="vllm", replicas=copies)
