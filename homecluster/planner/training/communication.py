"""What the ranks of a data-parallel group send one another per optimiser step, by ZeRO stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.training import LIVE_PARAMETERS, REDUCE_BUCKET_BYTES
from homecluster.planner import network, priors
from homecluster.planner.network import Cost, Fabric
from homecluster.planner.training.model_states import GRADIENT_BYTES, WEIGHT_BYTES

SMALL_SUMS = (1, 3, 3, 2)
"""All-reduces of a few bytes per step, by stage: the loss; stages 1 and 2 an overflow and the gradients' norm; stage 3
the norm. Noted one by one by benchmarks/training_rank.py."""
GATHER_SHARE = 0.5
"""An all-reduce is a reduce-scatter and an all-gather, which cost the same on a ring."""
SCATTER_SHARE = {DeviceKind.CUDA: 0.5, DeviceKind.CPU: 1.0}
"""Of an all-reduce. gloo has no reduce-scatter: torch lets it all-reduce and keeps a part (`ProcessGroupGloo`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Communication:
    """One optimiser step's messages of one rank."""

    while_computing: Cost
    """What has computation beside it that could hide it."""
    first_wait_s: float
    """The part of it that nothing can hide: the last piece is only ready when the computation ends."""
    afterwards: Cost
    """What comes after the optimiser and hides behind nothing."""
    sent_bytes: int


NO_MESSAGES = Communication(
    while_computing=Cost(), first_wait_s=0.0, afterwards=Cost(), sent_bytes=0
)


def communication(
    fabric: Fabric,
    group: Sequence[Device],
    *,
    stage: int,
    trainable: int,
    weights_bytes: int,
    layers: int,
    accumulation: int,
    small_tensors: int,
) -> Communication:
    """Messages of one optimiser step of `accumulation` micro-steps, as DeepSpeed 0.19 sends them.

    G = gradients (2 bytes per trainable parameter), W = weights as held, W' = trained weights:

        stage 0: all-reduce G once
        stage 1: all-reduce G once, all-gather W' after the optimiser
        stage 2: all-reduce G every micro-step, all-gather W' after the optimiser
        stage 3: all-gather W and reduce-scatter G (gloo: all-reduce), every micro-step; W twice where not all of it may stay gathered
            until the way back; after the optimiser the `small_tensors` that stay whole, one by one

    and in every stage `SMALL_SUMS` of a few bytes.
    The paper has a reduce-scatter where stages 1 and 2 all-reduce (2 P instead of 3 P elements in all):
    with its default `use_multi_rank_bucket_allreduce`, DeepSpeed sends whole buckets to every rank.
    """
    if len(group) == 1:
        return NO_MESSAGES
    gradients = trainable * GRADIENT_BYTES
    if stage == 3:  # noqa: PLR2004 - the stage's own number
        return _sharded_weights(
            fabric,
            group,
            trainable=trainable,
            weights_bytes=weights_bytes,
            layers=layers,
            accumulation=accumulation,
            small_tensors=small_tensors,
        )
    times = accumulation if stage == 2 else 1  # noqa: PLR2004 - as above
    reduced, last = _in_buckets(fabric, group, gradients)
    gathered, _ = _in_buckets(fabric, group, trainable * WEIGHT_BYTES)
    afterwards = _small_sums(fabric, group, stage)
    if stage:
        afterwards = afterwards.plus(gathered.times(GATHER_SHARE))
    ring = (len(group) - 1) / len(group)
    sent = ring * (2 * gradients * times + (trainable * WEIGHT_BYTES if stage else 0))
    return Communication(
        while_computing=reduced.times(times),
        first_wait_s=last.total_s * times,
        afterwards=afterwards,
        sent_bytes=int(sent),
    )


def _sharded_weights(
    fabric: Fabric,
    group: Sequence[Device],
    *,
    trainable: int,
    weights_bytes: int,
    layers: int,
    accumulation: int,
    small_tensors: int,
) -> Communication:
    """Layer by layer: it is gathered for the way forth, perhaps again for the way back, and its gradients scattered."""
    gradients = trainable * GRADIENT_BYTES
    layer = network.all_reduce(fabric, group, weights_bytes / layers).times(GATHER_SHARE)
    scatter_share = SCATTER_SHARE[group[0].kind]
    scattered = network.all_reduce(fabric, group, gradients / layers).times(scatter_share)
    times = 1 if weights_bytes <= LIVE_PARAMETERS * WEIGHT_BYTES else 2
    whole_bytes = trainable * WEIGHT_BYTES if trainable * WEIGHT_BYTES < weights_bytes else 0
    kept_whole = network.all_reduce(fabric, group, whole_bytes).times(GATHER_SHARE)
    one_by_one = Cost(latency_s=small_tensors * _ring_s(fabric, group) / 2)
    ring = (len(group) - 1) / len(group)
    sent = (times * weights_bytes + 2 * scatter_share * gradients) * accumulation + whole_bytes
    return Communication(
        while_computing=layer.times(times).plus(scattered).times(layers * accumulation),
        first_wait_s=(layer.total_s + scattered.total_s) * accumulation,
        afterwards=Cost(transfer_s=kept_whole.transfer_s)
        .plus(one_by_one)
        .plus(_small_sums(fabric, group, stage=3)),
        sent_bytes=int(ring * sent),
    )


def _small_sums(fabric: Fabric, group: Sequence[Device], stage: int) -> Cost:
    """A few bytes need no announcement, so gloo's ring takes its textbook turns: 2 (n-1) one-way trips."""
    launch_s = priors.COLLECTIVE_LAUNCH_S[group[0].kind]
    return Cost(latency_s=_ring_s(fabric, group) + launch_s).times(SMALL_SUMS[stage])


def _ring_s(fabric: Fabric, group: Sequence[Device]) -> float:
    """n-1 round trips: there and back around the ring, and so two all-gathers of gloo, which does two at once."""
    first, *others = group
    trips = (fabric.round_trip(first.node_id, other.node_id) for other in others)
    return len(others) * max(trips)


def _in_buckets(fabric: Fabric, group: Sequence[Device], message_bytes: int) -> tuple[Cost, Cost]:
    """An all-reduce of the whole in equal buckets, and of one of them."""
    buckets = max(1, math.ceil(message_bytes / REDUCE_BUCKET_BYTES))
    one = network.all_reduce(fabric, group, message_bytes / buckets)
    return one.times(buckets), one
