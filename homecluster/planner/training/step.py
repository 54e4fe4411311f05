"""How long one optimiser step of a group of devices takes, split into terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.estimate import Terms
from homecluster.domain.hardware import Device, Node
from homecluster.domain.training import Offload
from homecluster.planner import priors
from homecluster.planner.network import Cost
from homecluster.planner.training import training_priors
from homecluster.planner.training.communication import Communication
from homecluster.planner.training.model_states import GRADIENT_BYTES, WEIGHT_BYTES
from homecluster.planner.training.work import Pace, optimizer_s

_STAGE_HIDING_ALL = 3
_STAGE_HIDING_EVERY_WAY_BACK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One rank: its device, its speed and its samples per micro-step."""

    device: Device
    node: Node
    pace: Pace
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    terms: Terms
    hidden_s: float
    """Communication behind computation, in no term."""


def step_time(
    shares: Sequence[Share],
    messages: Communication,
    *,
    stage: int,
    offload: Offload,
    overlap: bool,
    accumulation: int,
    trainable: int,
    weights_bytes: int,
    backward_share: float,
    host_micro_step_s: float,
) -> StepTime:
    """All micro-steps, their messages, and the optimiser.

    `backward_share` is the part of a micro-step that is the way back: only there are gradients ready.
    """
    slowdown = training_priors.OVERLAP_SLOWDOWN if overlap else 1.0
    totals = [one.pace.total_s(one.samples) * accumulation * slowdown for one in shares]
    slowest_s = max(totals)
    mean_s = sum(totals) / len(totals)
    waits = [one.pace.waiting_s(one.samples) * accumulation * slowdown for one in shares]
    waiting_s = sum(waits) / len(waits)
    window_s = slowest_s * _window(stage, accumulation, backward_share)
    hidden_s = _hidden(messages, window_s) if overlap else 0.0
    wire = _less(messages.while_computing, hidden_s).plus(messages.afterwards)
    optimizer, host_s = _optimizer(shares, stage, offload, trainable)
    host_s += accumulation * host_micro_step_s
    if offload is Offload.PARAMETERS:
        host_s += accumulation * 2 * weights_bytes / priors.PCIE_BANDWIDTH_BYTES_PER_S
    return StepTime(
        terms=Terms(
            compute_s=mean_s - waiting_s,
            memory_s=waiting_s + optimizer,
            network_latency_s=wire.latency_s,
            network_transfer_s=wire.transfer_s,
            host_s=host_s,
            idle_s=slowest_s - mean_s,
        ),
        hidden_s=hidden_s,
    )


def _window(stage: int, accumulation: int, backward_share: float) -> float:
    """Share of the computation that communication could run behind."""
    if stage == _STAGE_HIDING_ALL:
        return 1.0
    if stage == _STAGE_HIDING_EVERY_WAY_BACK:
        return backward_share
    return backward_share / accumulation


def _hidden(messages: Communication, window_s: float) -> float:
    hideable_s = messages.while_computing.total_s - messages.first_wait_s
    return max(0.0, min(hideable_s, window_s))


def _less(cost: Cost, hidden_s: float) -> Cost:
    """What is left to see of a cost of which `hidden_s` is hidden, waiting and bytes alike."""
    return cost.times(1 - hidden_s / cost.total_s) if cost.total_s else cost


def _optimizer(
    shares: Sequence[Share], stage: int, offload: Offload, trainable: int
) -> tuple[float, float]:
    """(seconds of the devices' memory, seconds of the hosts) of the slowest rank."""
    parameters = trainable / len(shares) if stage else float(trainable)
    if offload is Offload.NONE:
        return max(optimizer_s(one.device, parameters) for one in shares), 0.0
    ranks = Counter(one.node.id for one in shares)
    moved_s = parameters * (GRADIENT_BYTES + WEIGHT_BYTES) / priors.PCIE_BANDWIDTH_BYTES_PER_S
    return 0.0, max(
        parameters
        * training_priors.OPTIMIZER_TRAFFIC_BYTES
        * ranks[one.node.id]
        / priors.cpu_bandwidth(one.node.cpu_cores)
        + moved_s
        for one in shares
    )
