"""A layout's Estimate for a workload, or the Refusal that says why it cannot run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from homecluster.domain.estimate import Estimate, Interval, MemoryUse, Terms
from homecluster.domain.hardware import Device, DeviceKind, Provenance
from homecluster.domain.layout import Copy as CopyLayout
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.units import format_bytes
from homecluster.domain.workload import Serve
from homecluster.planner import load, priors, rules, serving, start_up, step
from homecluster.planner.compute import Shard, kv_bytes_per_token
from homecluster.planner.load import Response
from homecluster.planner.memory import memory_use, minimum_kv_bytes
from homecluster.planner.network import Fabric
from homecluster.planner.rules import Refusal
from homecluster.planner.serving import NO_TIME, Served
from homecluster.planner.step import Copy, Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A copy that may run: its devices' memory and the tokens its KV cache holds."""

    copy: Copy
    memory: tuple[MemoryUse, ...]
    kv_cache_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    held: tuple[tuple[int, float], ...]
    """(copy, requests in it on average), of the copies that have any."""
    requests_per_s: float


class Estimator:
    """Costs copies and layouts of one model under one workload on one cluster, and remembers what it was asked."""

    def __init__(
        self,
        cluster: Cluster,
        spec: ModelSpec,
        workload: Serve,
        small_collectives: SmallCollectives | None = None,
    ) -> None:
        """`small_collectives`: what is pinned; None leaves it to each copy."""
        self.small_collectives = small_collectives or SmallCollectives.EXCHANGE
        self.spec = spec
        self.workload = workload
        self.fabric = Fabric(cluster)
        self._devices = {device.id: device for device in cluster.devices()}
        self._responses: dict[int, tuple[Prepared, Response]] = {}
        self._served: dict[tuple[int, float], tuple[Prepared, Served]] = {}

    def prepare(self, stages: CopyLayout) -> Prepared | Refusal:
        """Check one copy against the engine's rules and the devices' memory."""
        ranks = self._ranks(stages)
        devices = [device for rank in ranks for device in rank.devices]
        refusal = self._refuse(ranks, devices)
        if refusal is not None:
            return refusal
        dtype = rules.resolve_dtype(self.spec, devices, self.workload.dtype)
        if isinstance(dtype, Refusal):
            return dtype
        copy = Copy(
            spec=self.spec,
            dtype=dtype,
            stages=ranks,
            fabric=self.fabric,
            small_collectives=self.small_collectives,
        )
        memory = tuple(
            memory_use(self.spec, rank.shard, device, dtype, self.workload, world_size=len(devices))
            for rank in ranks
            for device in rank.devices
        )
        short = self._refuse_memory(copy, memory)
        if short is not None:
            return short
        tokens = min(
            use.kv_cache_bytes // kv_bytes_per_token(self.spec, shard, dtype)
            for use, shard in zip(memory, _shards(copy), strict=True)
        )
        return Prepared(copy=copy, memory=memory, kv_cache_tokens=tokens)

    def serve(self, prepared: Prepared, concurrent: float) -> Served:
        """One copy at `concurrent` requests; the same object is asked once."""
        key = id(prepared), concurrent
        known = self._served.get(key)
        if known is None:
            made = serving.closed_loop(
                prepared.copy,
                self.workload,
                concurrent=concurrent,
                kv_cache_tokens=prepared.kv_cache_tokens,
            )
            known = self._served[key] = (prepared, made)
        return known[1]

    def rate(self, prepared: Prepared) -> float:
        """Output tokens per second of one copy under the whole load."""
        asked = self.workload
        if asked.request_rate_per_s is None:
            served = self.serve(prepared, asked.concurrent_requests)
            return served.requests_per_s * asked.output_tokens
        return self._load([prepared]).requests_per_s * asked.output_tokens

    def response(self, prepared: Prepared) -> Response:
        """How long a request stays in a copy by how many are there; the same object is asked once."""
        known = self._responses.get(id(prepared))
        if known is None:
            made = serving.response_of(prepared.copy, self.workload, prepared.kv_cache_tokens)
            known = self._responses[id(prepared)] = (prepared, made)
        return known[1]

    def estimate(self, layout: Layout) -> Estimate | Refusal:
        """The whole layout, requests shared among its copies in proportion to what each delivers."""
        copies: list[Prepared] = []
        for stages in layout.replicas:
            prepared = self.prepare(stages)
            if isinstance(prepared, Refusal):
                return prepared
            copy = replace(prepared.copy, small_collectives=layout.small_collectives)
            copies.append(replace(prepared, copy=copy))
        return self.combine(copies)

    def combine(self, copies: Sequence[Prepared]) -> Estimate:
        """The Estimate of copies that may run side by side."""
        spread = self._load(copies)
        requests_per_s = spread.requests_per_s
        served = [self.serve(copies[index], max(1.0, held)) for index, held in spread.held]
        weights = [held / sum(held for _, held in spread.held) for _, held in spread.held]
        terms = NO_TIME
        for one, weight in zip(served, weights, strict=True):
            terms = terms.plus(one.terms.scaled(weight))
        first_token_s = sum(w * one.first_token_s for one, w in zip(served, weights, strict=True))
        error = _relative_error(terms, [prepared.copy for prepared in copies])
        rate = _around(requests_per_s, error)
        start = [start_up.parts(p.copy, p.memory) for p in copies]
        slowest = max(start, key=lambda parts: sum(seconds for _, seconds in parts))
        devices = [device for prepared in copies for device in prepared.copy.devices]
        asked = self.workload
        return Estimate(
            output_tokens_per_s=rate.scaled(asked.output_tokens),
            total_tokens_per_s=rate.scaled(asked.output_tokens + asked.prompt_tokens),
            requests_per_s=rate,
            first_token_s=_around(first_token_s, error),
            token_interval_s=_around(terms.total_s, error),
            start_up_s=start_up.interval(slowest, devices),
            start_up_parts=slowest,
            terms=terms,
            memory=tuple(use for prepared in copies for use in prepared.memory),
            kv_cache_tokens=sum(prepared.kv_cache_tokens for prepared in copies),
            running_requests=math.ceil(sum(one.running_requests for one in served) - 1e-6),
            messages_per_token=max(step.messages_per_token(p.copy) for p in copies),
            assumptions=_assumptions(copies, self.workload),
        )

    def busy(self, copies: Sequence[Prepared]) -> list[int]:
        """Which of the copies get requests, if each goes where it is answered soonest."""
        return [index for index, _ in self._load(copies).held]

    def _load(self, copies: Sequence[Prepared]) -> _Load:
        """How many requests each busy copy holds, and what all of them deliver."""
        asked = self.workload
        if len(copies) == 1 and asked.request_rate_per_s is None:  # there is nothing to share
            alone = self.serve(copies[0], asked.concurrent_requests)
            everyone = ((0, float(asked.concurrent_requests)),)
            return _Load(held=everyone, requests_per_s=alone.requests_per_s)
        responses = [self.response(prepared) for prepared in copies]
        if asked.request_rate_per_s is None:
            time_s = load.closed_time_s(responses, asked.concurrent_requests)
            requests_per_s = asked.concurrent_requests / time_s
        else:
            kept_up_s = load.open_time_s(responses, asked.request_rate_per_s)
            if kept_up_s is None:  # every copy is full, and the queue grows without end
                full = tuple((i, one.requests[-1]) for i, one in enumerate(responses))
                return _Load(held=full, requests_per_s=sum(one.most_per_s for one in responses))
            time_s, requests_per_s = kept_up_s, asked.request_rate_per_s
        held = [one.inside(time_s) for one in responses]
        extra = sum(held) / (requests_per_s * time_s)
        busy = tuple((i, requests / extra) for i, requests in enumerate(held) if requests > 0)
        return _Load(held=busy, requests_per_s=requests_per_s)

    def _ranks(self, stages: CopyLayout) -> tuple[Rank, ...]:
        return tuple(
            Rank(
                shard=Shard(
                    layers=stage.layers,
                    first=index == 0,
                    last=index == len(stages) - 1,
                    tensor_parallel=len(stage.devices),
                ),
                devices=tuple(self._devices[device_id] for device_id in stage.devices),
            )
            for index, stage in enumerate(stages)
        )

    def _refuse(self, ranks: Sequence[Rank], devices: Sequence[Device]) -> Refusal | None:
        size = ranks[0].shard.tensor_parallel
        if any(rank.shard.tensor_parallel != size for rank in ranks):
            return Refusal(
                rule="uniform-tensor-parallel",
                detail="vLLM runs the same tensor parallel size in every stage",
            )
        if len({device.kind for device in devices}) > 1:
            return Refusal(rule="mixed-kind", detail="one copy may not mix GPUs and CPUs")
        checks = [
            rules.refuse_tensor_parallel(self.spec, size),
            rules.refuse_pipeline_parallel(self.spec, len(ranks)),
            *(rules.refuse_group(rank.devices) for rank in ranks),
            *(rules.refuse_device(self.spec, device) for device in devices),
        ]
        refusal = next((check for check in checks if check is not None), None)
        if refusal is None and not self.fabric.knows([device.node_id for device in devices]):
            refusal = Refusal(
                rule="link-unknown",
                detail="no measurement of the links between these PCs: run `homecluster probe` or add them to the document",
            )
        return refusal

    def _refuse_memory(self, copy: Copy, memory: Sequence[MemoryUse]) -> Refusal | None:
        for use, shard, device in zip(memory, _shards(copy), copy.devices, strict=True):
            needed = minimum_kv_bytes(self.spec, shard, copy.dtype, self.workload)
            missing = needed - use.kv_cache_bytes
            if missing > 0:
                return Refusal(
                    rule="memory",
                    detail=(
                        f"{device.id} ({device.name}) lacks {format_bytes(missing)}: "
                        f"{format_bytes(use.weights_bytes)} weights, "
                        f"{format_bytes(use.activations_bytes + use.overhead_bytes)} activations and overhead and "
                        f"{format_bytes(needed)} KV cache for one request, "
                        f"of {format_bytes(use.capacity_bytes)} usable"
                    ),
                    shortfall_bytes=missing,
                )
        return None


def _shards(copy: Copy) -> list[Shard]:
    return [rank.shard for rank in copy.stages for _ in rank.devices]


def _around(mid: float, error: float) -> Interval:
    """An error of 0.5 means: off by a factor of up to 1.5 either way."""
    return Interval(low=mid / (1 + error), mid=mid, high=mid * (1 + error))


def _relative_error(terms: Terms, copies: Sequence[Copy]) -> float:
    """Width of the interval: each term's own error, weighted by its share, and the model's, as independent errors."""
    total = terms.total_s
    devices = [device for copy in copies for device in copy.devices]
    parts = [
        (terms.memory_s, _worst(devices, "memory_bandwidth_bytes_per_s")),
        (terms.compute_s, _worst(devices, "peak_flop_per_s")),
        (terms.host_s, _worst(devices, "step_overhead_s")),
        (terms.network_latency_s + terms.network_transfer_s, _network_error(copies)),
    ]
    square = sum((seconds / total * error) ** 2 for seconds, error in parts)
    return math.sqrt(square + _model_error(devices) ** 2)


def _model_error(devices: Sequence[Device]) -> float:
    """What calibration left over where every device was calibrated, else the error of rooflines at large."""
    left_over = [device.calibration_error for device in devices]
    known = [error for error in left_over if error is not None]
    if len(known) < len(left_over):
        return priors.MODEL_ERROR
    return max(known) * priors.NINE_TENTHS_IN_DEVIATIONS


def _worst(devices: Sequence[Device], field: str) -> float:
    return max(priors.SPEED_ERROR[device.provenance_of(field)] for device in devices)


def _network_error(copies: Sequence[Copy]) -> float:
    return max(
        priors.SPEED_ERROR[copy.fabric.hop(a.node_id, b.node_id).provenance]
        for copy in copies
        for a in copy.devices
        for b in copy.devices
    )


def _assumptions(copies: Sequence[Prepared], workload: Serve) -> tuple[str, ...]:
    notes = [f"{copies[0].copy.dtype.value} arithmetic"]
    devices = {device.name: device for p in copies for device in p.copy.devices}
    for device in devices.values():
        weak = [
            label
            for field, label in (
                ("memory_bandwidth_bytes_per_s", "memory bandwidth"),
                ("peak_flop_per_s", "arithmetic"),
                ("step_overhead_s", "host overhead"),
            )
            if device.provenance_of(field) not in (Provenance.MEASURED, Provenance.CALIBRATED)
        ]
        if weak:
            notes.append(f"{device.name}: {', '.join(weak)} not measured")
        if device.calibrated_at:
            notes.append(f"{device.name}: fitted to runs of its own on {device.calibrated_at[:10]}")
        wanted = int(device.memory_total_bytes * workload.memory_utilization)
        if device.kind is DeviceKind.CUDA and wanted > device.memory_free_bytes:
            notes.append(
                f"{device.name}: {format_bytes(device.memory_total_bytes - device.memory_free_bytes)} "
                "already in use, so less than the asked share is planned"
            )
    if workload.request_rate_per_s is not None:
        notes.append("requests arrive at random at the given rate")
    return tuple(notes)
