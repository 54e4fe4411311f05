"""A PC as `probe --json` writes it reads back as the same PC."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import (
    Device,
    DeviceKind,
    DType,
    Interconnect,
    Node,
    Provenance,
    WslMode,
)
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.cluster_table import cluster_table

POSITIVE = st.floats(min_value=1e-9, max_value=1e15)
FIELDS = ("memory_total_bytes", "memory_bandwidth_bytes_per_s", "peak_flop_per_s", "step_overhead_s", "layer_overhead_s", "sequence_overhead_s")  # fmt: skip


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    total = draw(st.integers(min_value=1, max_value=1 << 50))
    cache_rate = draw(st.none() | POSITIVE)
    marked = FIELDS + (("kv_cache_bandwidth_bytes_per_s",) if cache_rate else ())
    device = Device(
        id=DeviceId("desk/cuda:0"),
        node_id=NodeId("desk"),
        kind=DeviceKind.CUDA,
        name=draw(st.sampled_from(["RTX 4090", "NVIDIA GeForce RTX 3060 Laptop GPU"])),
        memory_total_bytes=total,
        memory_free_bytes=draw(st.integers(min_value=0, max_value=total)),
        memory_bandwidth_bytes_per_s=draw(POSITIVE),
        peak_flop_per_s=tuple((dtype, draw(POSITIVE)) for dtype in draw(st.sets(st.sampled_from(DType), min_size=1))),
        step_overhead_s=draw(POSITIVE),
        layer_overhead_s=draw(POSITIVE),
        sequence_overhead_s=draw(POSITIVE),
        kv_cache_bandwidth_bytes_per_s=cache_rate,
        compute_capability=(8, 9),
        provenance=tuple(sorted((field, draw(st.sampled_from(Provenance))) for field in marked)),
    )  # fmt: skip
    return Node(
        id=NodeId("desk"),
        hostname=draw(st.text(min_size=1, max_size=20)),
        os="wsl2",
        ram_bytes=draw(st.integers(min_value=1, max_value=1 << 50)),
        cpu_cores=draw(st.integers(min_value=1, max_value=512)),
        devices=(device,),
        interconnect=draw(st.none() | st.just(Interconnect(rtt_s=3e-5, bandwidth_bytes_per_s=2e10))),
        wsl_mode=draw(st.none() | st.sampled_from(WslMode)),
        addresses=("192.168.1.20", "fd00::20"),
        versions=(("vllm", "0.32.0"),),
        observed_at=draw(st.none() | st.just("2026-11-21T12:00:00+00:00")),
    )  # fmt: skip


@given(nodes())
def test_reading_what_was_written_gives_the_same_pc(node: Node) -> None:
    text = json.dumps(cluster_table(Cluster(nodes=(node,))))
    (read,) = parse_cluster(text, file="pc.json", as_json=True).nodes
    assert read == replace(node, devices=read.devices)
    assert read.devices == node.devices
