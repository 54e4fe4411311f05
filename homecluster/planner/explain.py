"""One sentence with figures for each plan: what its tokens wait for."""

from __future__ import annotations

from homecluster.domain.estimate import Estimate
from homecluster.domain.layout import Layout
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.units import format_rate, format_seconds

_WORDS = {
    "compute": "arithmetic",
    "memory": "reading weights and KV cache from memory",
    "network_latency": "waiting for messages between devices",
    "network_transfer": "moving bytes between devices",
    "host": "the host's scheduler and sampler",
    "idle": "stages waiting for one another",
}


def plan_reason(estimate: Estimate, layout: Layout, pcs: int) -> str:
    """`X tokens/s: of T per token, S are …`."""
    bottleneck = estimate.bottleneck
    seconds = dict(estimate.terms.parts())[f"{bottleneck}_s"]
    total = estimate.terms.total_s
    sentence = (
        f"{describe(layout, pcs)}: {format_rate(estimate.output_tokens_per_s.mid)} tokens/s; "
        f"{format_seconds(seconds)} of {format_seconds(total)} between two tokens are {_WORDS[bottleneck]}"
    )
    if bottleneck == "network_latency" and estimate.messages_per_token > 0:
        sentence += f" ({estimate.messages_per_token:.0f} messages one after the other)"
    return sentence


def describe(layout: Layout, pcs: int) -> str:
    """`TP=2 over 2 PCs`, `one device`, `3 copies on 3 PCs`."""
    tensor, pipeline, copies = (
        layout.tensor_parallel,
        layout.pipeline_parallel,
        len(layout.replicas),
    )
    shape = " ".join(
        text for text, size in ((f"TP={tensor}", tensor), (f"PP={pipeline}", pipeline)) if size > 1
    )
    where = f"{pcs} PCs" if pcs > 1 else "one PC"
    if layout.small_collectives is SmallCollectives.EXCHANGE:
        where += " by direct exchange"
    if copies > 1:
        return f"{copies} copies{f' of {shape}' if shape else ''} on {where}"
    if shape:
        return f"{shape} {'over' if pcs > 1 else 'in'} {where}"
    return "one device"


def layout_label(layout: Layout) -> str:
    """`TP=2 PP=2 x3`, `single`."""
    parts = []
    if layout.tensor_parallel > 1:
        parts.append(f"TP={layout.tensor_parallel}")
    if layout.small_collectives is SmallCollectives.EXCHANGE:
        parts.append("exchange")
    if layout.pipeline_parallel > 1:
        parts.append(f"PP={layout.pipeline_parallel}")
    if len(layout.replicas) > 1:
        parts.append(f"{len(layout.replicas)} copies")
    return " ".join(parts) or "single"
