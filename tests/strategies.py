"""Random facts of the kinds that homes have, and odder ones: what every law must hold for."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from homecluster.domain.hardware import (
    Device,
    DeviceKind,
    DType,
    Interconnect,
    Node,
    Provenance,
)
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.model import Experts, ModelSpec, Quantization
from homecluster.domain.topology import Cluster, Curve, Link
from homecluster.domain.units import GIB, MIB
from homecluster.domain.workload import Goal, Serve

NAMES = ("desk", "laptop", "attic", "mini", "tower")
CAPABILITIES = (None, (7, 0), (7, 5), (8, 0), (8, 6), (8, 6), (8, 9), (8, 9), (12, 0))
SPEED_FIELDS = (
    "memory_total_bytes",
    "memory_bandwidth_bytes_per_s",
    "peak_flop_per_s",
    "step_overhead_s",
    "layer_overhead_s",
    "sequence_overhead_s",
)


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


PROVENANCES = st.fixed_dictionaries(
    {field: st.sampled_from(Provenance) for field in SPEED_FIELDS}
).map(lambda chosen: tuple(sorted(chosen.items())))


@st.composite
def devices(
    draw: st.DrawFn, node_id: str = "desk", kind: DeviceKind | None = None, index: int = 0
) -> Device:
    kind = kind or draw(st.sampled_from((DeviceKind.CUDA, DeviceKind.CUDA, DeviceKind.CPU)))
    total = draw(st.integers(1 * GIB, 96 * GIB))
    formats = draw(st.sets(st.sampled_from(DType), min_size=1))
    name = draw(st.sampled_from(("NVIDIA GeForce RTX 4090", "NVIDIA A100-PCIE-40GB", "box")))
    known = CAPABILITIES if name == "box" else CAPABILITIES[1:]  # of a card with a name it is known
    return Device(
        id=DeviceId(f"{node_id}/{kind.value}:{index}"),
        node_id=NodeId(node_id),
        kind=kind,
        name=name,
        memory_total_bytes=total,
        memory_free_bytes=draw(st.one_of(st.just(total), st.integers(0, total))),
        memory_bandwidth_bytes_per_s=draw(between(1e9, 4e12)),
        peak_flop_per_s=tuple((dtype, draw(between(1e10, 2e15))) for dtype in sorted(formats)),
        step_overhead_s=draw(st.just(0.0) | between(1e-9, 0.05)),
        layer_overhead_s=draw(st.just(0.0) | between(1e-9, 1e-3)),
        sequence_overhead_s=draw(st.just(0.0) | between(1e-9, 1e-3)),
        compute_capability=draw(st.sampled_from(known)) if kind is DeviceKind.CUDA else None,
        kv_cache_bandwidth_bytes_per_s=draw(st.none() | between(1e9, 4e12)),
        server_start_s=draw(st.none() | between(0.1, 100.0)),
        worker_start_s=draw(st.none() | between(0.1, 100.0)),
        engine_ready_s=draw(st.none() | between(0.1, 100.0)),
        provenance=draw(PROVENANCES),
    )


@st.composite
def nodes(draw: st.DrawFn, name: str = "desk") -> Node:
    """A PC with up to three like cards, perhaps another unlike them, or its CPU."""
    first = draw(devices(name))
    count = draw(st.integers(1, 3)) if first.kind is DeviceKind.CUDA else 1
    held = [replace(first, id=DeviceId(f"{name}/{first.kind.value}:{i}")) for i in range(count)]
    if draw(st.integers(0, 3)) == 0:
        index = count if first.kind is DeviceKind.CUDA else 0
        held.append(draw(devices(name, DeviceKind.CUDA, index)))
    inner = draw(
        st.none()
        | st.builds(
            Interconnect,
            rtt_s=between(1e-6, 1e-4),
            bandwidth_bytes_per_s=between(1e9, 1e11),
            provenance=st.sampled_from(Provenance),
        )
    )
    return Node(
        id=NodeId(name),
        hostname=name,
        os=draw(st.sampled_from(("linux", "wsl2"))),
        ram_bytes=draw(st.integers(2 * GIB, 128 * GIB)),
        cpu_cores=draw(st.integers(1, 64)),
        devices=tuple(held),
        interconnect=inner,
    )


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Measured times by message size; ascending, as time over a wire is."""
    sizes = sorted(draw(st.sets(st.integers(1, 4 * MIB), min_size=1, max_size=4)))
    times = sorted(draw(between(1e-5, 1.0)) for _ in sizes)
    return tuple(zip(sizes, times, strict=True))


@st.composite
def links(draw: st.DrawFn, src: str = "desk", dst: str = "laptop") -> Link:
    return Link(
        src=NodeId(src),
        dst=NodeId(dst),
        latency_s=draw(between(5e-6, 0.2)),
        bandwidth_bytes_per_s=draw(between(1e4, 5e9)),
        jitter_s=draw(st.just(0.0) | between(0, 0.05)),
        loss_ratio=draw(st.just(0.0) | between(0, 0.2)),
        medium=draw(st.sampled_from((None, None, "air", "attic air"))),
        all_reduce=draw(st.just(()) | st.just(()) | curves()),
        provenance=draw(st.sampled_from(Provenance)),
    )


@st.composite
def clusters(draw: st.DrawFn, most: int = 4) -> Cluster:
    """Up to `most` PCs; links are one-way facts, and any may be missing."""
    count = draw(st.integers(1, most))
    held = [draw(nodes(name)) for name in NAMES[:count]]
    if count > 1 and draw(st.booleans()):  # twins: two PCs that differ only by name
        held[1] = renamed(held[0], NAMES[1])
    known = [
        draw(links(a.id, b.id))
        for a in held
        for b in held
        if a is not b and draw(st.integers(0, 5))
    ]
    return Cluster(nodes=tuple(held), links=tuple(known))


def renamed(node: Node, name: str) -> Node:
    """The same PC under another name."""
    return replace(
        node,
        id=NodeId(name),
        hostname=name,
        devices=tuple(
            replace(one, id=DeviceId(f"{name}/{one.id.split('/')[1]}"), node_id=NodeId(name))
            for one in node.devices
        ),
    )


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    """Decoders from a toy to 100 GB, mostly of shapes that divide."""
    heads = draw(st.sampled_from((1, 2, 4, 6, 7, 12, 16, 32, 64)))
    kv_heads = draw(st.sampled_from([k for k in range(1, heads + 1) if heads % k == 0]))
    head_size = draw(st.sampled_from((16, 64, 128)))
    ffn = draw(st.integers(8, 256)) * 64 + draw(st.sampled_from((0, 0, 0, 1)))
    experts = draw(
        st.none()
        | st.none()
        | st.builds(Experts, count=st.just(8), per_token=st.integers(1, 8), ffn_size=st.just(1024))
    )
    quantization = draw(
        st.none()
        | st.none()
        | st.builds(
            Quantization,
            method=st.sampled_from(("awq", "gptq", "fp8")),
            weight_bits=st.sampled_from((4, 8)),
            group_size=st.sampled_from((None, 128)),
        )
    )
    return ModelSpec(
        name="odd",
        architecture=draw(st.sampled_from(("LlamaForCausalLM", "Gemma2ForCausalLM"))),
        layers=draw(st.integers(1, 80)),
        hidden_size=heads * head_size,
        ffn_size=ffn,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocab_size=draw(st.integers(32, 200_000)),
        max_positions=draw(st.sampled_from((512, 2048, 131_072))),
        dtype=draw(st.sampled_from((DType.BF16, DType.FP16, DType.FP32))),
        gated_ffn=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
        sliding_window_tokens=draw(st.sampled_from((None, None, 128))),
        experts=experts,
        quantization=quantization,
        residual_in_handover=draw(st.booleans()),
        generates=draw(st.sampled_from((True,) * 9 + (False,))),
        supports_pipeline=draw(st.sampled_from((True,) * 5 + (False,))),
        ends_on_every_stage=draw(st.booleans()),
    )


WORKLOADS = st.builds(
    Serve,
    prompt_tokens=st.integers(1, 600),
    output_tokens=st.integers(1, 300),
    concurrent_requests=st.sampled_from((1, 1, 2, 3, 8, 33, 256)),
    request_rate_per_s=st.none() | st.none() | between(1e-3, 1e3),
    goal=st.sampled_from(Goal),
    memory_utilization=between(0.5, 1.0),
)
