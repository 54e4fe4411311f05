"""A way to train as the Estimate and the Plan that people read."""

from __future__ import annotations

import math

from homecluster.domain.estimate import Interval
from homecluster.domain.hardware import Provenance
from homecluster.domain.training import Offload, Train, TrainEstimate, TrainPlan
from homecluster.domain.units import format_rate, format_seconds, format_traffic
from homecluster.planner import priors
from homecluster.planner.network import Fabric
from homecluster.planner.training.trainer import Way

_WORDS = {
    "compute": "arithmetic",
    "memory": "moving weights and optimiser states through memory",
    "network_latency": "waiting for messages between devices",
    "network_transfer": "moving gradients and weights between devices",
    "host": "the host's own work",
    "idle": "waiting for the slowest device",
}


def train_plan(rank: int, way: Way, workload: Train, fabric: Fabric) -> TrainPlan:
    estimate = train_estimate(way, workload, fabric)
    return TrainPlan(
        rank=rank,
        nodes=way.nodes,
        method=workload.method,
        zero_stage=way.stage,
        offload=way.offload,
        recompute=way.recompute,
        overlap=way.overlap,
        micro_batch=tuple(
            (device.id, samples) for device, samples in zip(way.group, way.micro_batch, strict=True)
        ),
        gradient_accumulation=way.accumulation,
        estimate=estimate,
        reason=_reason(way, estimate),
    )


def train_estimate(way: Way, workload: Train, fabric: Fabric) -> TrainEstimate:
    """Speed with its honest width, and memory."""
    error = _relative_error(way, fabric)
    samples_per_s = _around(workload.global_batch / way.step_s, error)
    return TrainEstimate(
        step_s=_around(way.step_s, error),
        samples_per_s=samples_per_s,
        tokens_per_s=samples_per_s.scaled(workload.sequence_tokens),
        terms=way.time.terms,
        hidden_s=way.time.hidden_s,
        sent_bytes=way.messages.sent_bytes,
        memory=way.memory,
        assumptions=_assumptions(way),
    )


def describe(way: Way) -> str:
    """`desk alone`, `2 devices of desk, ZeRO-2`, `3 devices of 2 PCs, ZeRO-1`."""
    if len(way.group) == 1:
        return f"{way.nodes[0]} alone"
    where = f"{len(way.nodes)} PCs" if len(way.nodes) > 1 else way.nodes[0]
    kind = f"ZeRO-{way.stage}" if way.stage else "plain data parallel"
    return f"{len(way.group)} devices of {where}, {kind}"


def _reason(way: Way, estimate: TrainEstimate) -> str:
    terms = estimate.terms
    seconds = dict(terms.parts())[f"{terms.bottleneck}_s"]
    sentence = (
        f"{describe(way)}: {format_rate(estimate.samples_per_s.mid)} samples/s; "
        f"{format_seconds(seconds)} of {format_seconds(terms.total_s)} per step are {_WORDS[terms.bottleneck]}"
    )
    if estimate.sent_bytes and len(way.nodes) > 1:
        sentence += f" (each device sends {format_traffic(estimate.sent_bytes)})"
    return sentence


def _relative_error(way: Way, fabric: Fabric) -> float:
    """Each term's own error weighted by its share, and the model's, as independent errors."""
    terms, group = way.time.terms, way.group
    error = {
        field: max(priors.SPEED_ERROR[device.provenance_of(field)] for device in group)
        for field in ("peak_flop_per_s", "memory_bandwidth_bytes_per_s", "layer_overhead_s")
    }
    network = max(
        priors.SPEED_ERROR[fabric.hop(a.node_id, b.node_id).provenance]
        for a in group
        for b in group
    )
    parts = (
        (terms.compute_s + terms.idle_s, error["peak_flop_per_s"]),
        (terms.memory_s, error["memory_bandwidth_bytes_per_s"]),
        (terms.host_s, error["layer_overhead_s"]),
        (terms.network_latency_s + terms.network_transfer_s, network),
    )
    square = sum((seconds / terms.total_s * relative) ** 2 for seconds, relative in parts)
    return math.sqrt(square + priors.MODEL_ERROR**2)


def _around(mid: float, error: float) -> Interval:
    return Interval(low=mid / (1 + error), mid=mid, high=mid * (1 + error))


def _assumptions(way: Way) -> tuple[str, ...]:
    notes = [
        f"{way.dtype.value} arithmetic, fp32 Adam, fused attention",
        "DeepSpeed's 18 bytes per trained parameter, fp32 gradients included",
    ]
    for name in {device.name: None for device in way.group}:
        device = next(one for one in way.group if one.name == name)
        if device.provenance_of("peak_flop_per_s") is not Provenance.MEASURED:
            notes.append(f"{name}: arithmetic not measured")
    if way.offload is not Offload.NONE:
        notes.append("the hosts' memory speed is assumed")
    return tuple(notes)
