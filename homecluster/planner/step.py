"""How long one engine step of one copy takes, for a decode or a prefill, split into terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from homecluster.domain.estimate import Terms
from homecluster.domain.hardware import DTYPE_BYTES, Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.planner import compute, exchange, network, priors
from homecluster.planner.compute import Shard, Work
from homecluster.planner.elements import padded_rows
from homecluster.planner.network import Cost, Fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One pipeline stage: what each of its devices holds."""

    shard: Shard
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One whole model on given devices, ready to be costed."""

    spec: ModelSpec
    dtype: DType
    stages: tuple[Rank, ...]
    fabric: Fabric
    small_collectives: SmallCollectives = SmallCollectives.EXCHANGE
    """The exchange only where it is offered; elsewhere the engine's in any case."""

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(device for stage in self.stages for device in stage.devices)

    @property
    def groups(self) -> tuple[tuple[Device, ...], ...]:
        """The tensor-parallel groups, one for each stage."""
        return tuple(stage.devices for stage in self.stages)

    @property
    def driver(self) -> Device:
        return self.stages[0].devices[0]

    @property
    def spans_pcs(self) -> bool:
        return network.crosses_network(self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """One step: the way through all stages, and how long the busiest stage or the host is taken by it."""

    path: Terms
    occupied_s: float
    """A following step can start so much later, if several are in flight."""


def decode_step(copy: Copy, *, sequences: float, context_tokens: float) -> StepTime:
    """A step that gives each of `sequences` its next token."""
    works = [
        [
            compute.decode(
                copy.spec,
                stage.shard,
                device,
                copy.dtype,
                sequences=sequences,
                context_tokens=context_tokens,
            )
            for device in stage.devices
        ]
        for stage in copy.stages
    ]
    return _step(copy, works, tokens=sequences, sampled=sequences)


def prefill_step(copy: Copy, *, prompts: float, prompt_tokens: int) -> StepTime:
    """A step, or several chunks of one, that reads `prompts` prompts and gives each its first token."""
    works = [
        [
            compute.prefill(
                copy.spec,
                stage.shard,
                device,
                copy.dtype,
                prompts=prompts,
                prompt_tokens=prompt_tokens,
            )
            for device in stage.devices
        ]
        for stage in copy.stages
    ]
    return _step(copy, works, tokens=prompts * prompt_tokens, sampled=prompts)


def _step(
    copy: Copy, works: Sequence[Sequence[Work]], *, tokens: float, sampled: float
) -> StepTime:
    slowest = [max(ranks, key=lambda work: work.total_s) for ranks in works]
    inside = [stage_messages(copy, stage, tokens=tokens, sampled=sampled) for stage in copy.stages]
    between = hand_overs(copy, tokens=tokens)
    stepping = network.step_messages(
        copy.fabric, copy.driver, copy.devices, pipeline=len(copy.stages) > 1
    )
    wire = stepping
    for cost in (*inside, *between):
        wire = wire.plus(cost)
    device_s = sum(work.total_s for work in slowest) + wire.total_s
    ranks, stages = len(copy.devices), len(copy.stages)
    host_s = shown_host_seconds(
        copy.spec, copy.driver, ranks=ranks, stages=stages, sequences=sampled, device_s=device_s
    )
    path = Terms(
        compute_s=sum(work.compute_s for work in slowest),
        memory_s=sum(work.memory_s for work in slowest),
        network_latency_s=wire.latency_s,
        network_transfer_s=wire.transfer_s,
        host_s=host_s,
        idle_s=0.0,
    )
    if len(copy.stages) == 1:
        return StepTime(path=path, occupied_s=path.total_s)
    busiest = max(
        work.total_s + cost.total_s + stage_host_seconds(copy.spec, stage, sequences=sampled)
        for stage, work, cost in zip(copy.stages, slowest, inside, strict=True)
    )
    whole_host_s = host_seconds(copy.spec, copy.driver, ranks, sampled)
    link_s = busiest_link_s(copy.fabric, copy.spec, copy.dtype, copy.groups, tokens=tokens)
    return StepTime(path=path, occupied_s=max(busiest, whole_host_s, link_s))


def busiest_link_s(
    fabric: Fabric,
    spec: ModelSpec,
    dtype: DType,
    groups: Sequence[Sequence[Device]],
    *,
    tokens: float,
) -> float:
    """Seconds that the hand-overs of one step keep the busiest link, or the air that several share."""
    ways = [(a[0].node_id, b[0].node_id) for a, b in pairwise(groups)]
    return network.busiest_link_s(fabric, ways, hand_over_bytes(spec, dtype, tokens))


def stage_messages(copy: Copy, stage: Rank, *, tokens: float, sampled: float) -> Cost:
    """What vLLM's tensor parallel sends within a stage per forward pass.

    Two all-reduces of tokens x hidden per layer, one more for the vocabulary-parallel embedding on the
    first stage, and on the last a gather of the logits, half a vocabulary per sequence with two ranks.
    """
    ranks = len(stage.devices)
    if ranks == 1:
        return Cost()
    spec, size = copy.spec, DTYPE_BYTES[copy.dtype]
    count = all_reduces(stage)
    reduce, collect = exchange.all_reduce, exchange.gather
    if copy.small_collectives is SmallCollectives.ENGINE:
        reduce, collect = network.all_reduce, network.gather
    cost = reduce(copy.fabric, stage.devices, tokens * spec.hidden_size * size).times(count)
    if not stage.shard.last:
        return cost
    padded = padded_rows(spec.vocab_size)
    logits = sampled * padded / ranks * size
    return cost.plus(collect(copy.fabric, stage.devices, logits))


def all_reduces(stage: Rank) -> int:
    """All-reduces per forward pass of a tensor-parallel stage: 2 per layer, and 1 for the embedding."""
    return 2 * stage.shard.layers + int(stage.shard.first)


def hand_overs(copy: Copy, *, tokens: float) -> list[Cost]:
    """Hidden states, and for most families the residual too, from each stage to the next."""
    payload = hand_over_bytes(copy.spec, copy.dtype, tokens)
    return [
        network.handover(copy.fabric, a.devices, b.devices, payload)
        for a, b in pairwise(copy.stages)
    ]


def hand_over_bytes(spec: ModelSpec, dtype: DType, tokens: float) -> float:
    """What one stage passes to the next for so many tokens."""
    tensors = 2 if spec.residual_in_handover else 1
    return tensors * tokens * spec.hidden_size * DTYPE_BYTES[dtype]


def messages_per_token(copy: Copy) -> float:
    """Network messages that wait for one another between two tokens; those inside one PC do not count."""
    count = 0.0
    for stage in copy.stages:
        if network.crosses_network(stage.devices):
            count += all_reduces(stage) + int(stage.shard.last)
    count += sum(a.devices[0].node_id != b.devices[0].node_id for a, b in pairwise(copy.stages))
    return count + int(copy.spans_pcs)


def host_seconds(spec: ModelSpec, driver: Device, ranks: int, sequences: float) -> float:
    """What scheduler, sampler and executor of the first device's PC take for a step."""
    host_s = driver.step_overhead_s + (sequences - 1) * driver.sequence_overhead_s
    host_s += sequences * spec.vocab_size * _sampling_s_per_logit(driver)
    if ranks > 1:
        host_s += priors.EXECUTOR_STEP_S + sequences * priors.EXECUTOR_SEQUENCE_S
    return host_s


def stage_host_seconds(spec: ModelSpec, stage: Rank, *, sequences: float) -> float:
    """What the host's work of a step takes of a pipeline's stage.

    Each stage prepares every step, and the last one draws the tokens. A GPU computes meanwhile; a CPU does
    one after the other.
    """
    device = stage.devices[0]
    if device.kind is not DeviceKind.CPU:
        return 0.0
    host_s = device.step_overhead_s + (sequences - 1) * device.sequence_overhead_s
    if stage.shard.last:
        host_s += sequences * spec.vocab_size * _sampling_s_per_logit(device)
    return host_s


def _sampling_s_per_logit(device: Device) -> float:
    """Softmax and a random draw go over the whole vocabulary, for each sequence."""
    measured = device.sampling_s_per_logit
    return priors.SAMPLING_S_PER_LOGIT[device.kind] if measured is None else measured


def shown_host_seconds(
    spec: ModelSpec,
    driver: Device,
    *,
    ranks: int,
    stages: int,
    sequences: float,
    device_s: float,
) -> float:
    """What of the host's work a step waits for.

    vLLM prepares the next step while a GPU works on this one, but not each sequence's inputs and outputs;
    on CPU, and across stages, nothing hides.
    """
    whole_s = host_seconds(spec, driver, ranks, sequences)
    if driver.kind is not DeviceKind.CUDA or stages > 1:
        return whole_s
    first_s = host_seconds(spec, driver, ranks, 1)
    return max(0.0, first_s - device_s) + whole_s - first_s
