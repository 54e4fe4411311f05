"""Requests per second that no layout over some devices exceeds, however many they are.

Three limits, each with the rest left out:

1. No request is answered sooner than by the fastest devices alone with it.
2. Every device reads and multiplies its share at the largest batch that the load allows, and never waits.
3. The requests are shared out: at any moment each is in one stage, so the batches on all devices together are at
   most the N in flight. A device with its part b of the batch of a group of t gives at most b / (A + B t b) tokens
   of a layer per second. For every price p of a request,

       rate <= p N + sum over devices of max over b, t of ( b / (A + B t b) - p b )

   (Lagrange), and the best price is taken. Groups over several PCs wait 2 messages per layer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.planner import compute, rules, step
from homecluster.planner.compute import Shard
from homecluster.planner.estimate import Estimator
from homecluster.planner.memory import engine_limits
from homecluster.planner.rules import Refusal

_PRICES: Final = 60


def most_requests_per_s(estimator: Estimator, devices: Sequence[Device]) -> float:
    """An upper bound; 0 where no device can run the model's arithmetic. Cost: one look at each kind of device."""
    able = [device for device in devices if not rules.refuse_device(estimator.spec, device)]
    if not able:
        return 0.0
    asked, work = estimator.workload, _Work(estimator, able)
    kinds = Counter(map(_nameless, able))
    limits = [sum(count / work.request_s(device) for device, count in kinds.items())]
    if asked.request_rate_per_s is not None:
        return min(*limits, asked.request_rate_per_s)
    limits.append(asked.concurrent_requests / min(map(work.alone_s, kinds)))
    if asked.output_tokens > 1:
        limits.append(work.shared_out(kinds))
    return min(limits)


def _nameless(device: Device) -> Device:
    """Without what the limits do not look at: of a thousand PCs few kinds remain."""
    return replace(
        device,
        id=DeviceId(""),
        node_id=NodeId(""),
        memory_free_bytes=device.memory_total_bytes,
        step_overhead_s=0.0,
        sequence_overhead_s=0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """Seconds of one layer: a fixed part and a part for each sequence."""

    fixed_s: float
    each_s: float

    def most(self, size: int, price: float) -> float:
        """The largest of b / (A + B t b) - p b over all b >= 0; without A it is nearest b = 0."""
        fixed, each = self.fixed_s, self.each_s * size
        if price * fixed >= 1:
            return 0.0
        if fixed <= 0:
            return 1 / each if each else math.inf
        if each <= 0:
            return math.inf if price * fixed < 1 else 0.0
        root = math.sqrt(price * fixed)
        return (1 - root) ** 2 / each


class _Work:
    def __init__(self, estimator: Estimator, devices: Sequence[Device]) -> None:
        self._estimator = estimator
        self._together = max(Counter(device.node_id for device in devices).values())
        self._message_s = estimator.fabric.least_message_s()
        self._host_s = min(step.host_seconds(estimator.spec, one, 1, 1) for one in devices)
        most = min(len(devices), estimator.spec.heads)
        self._sizes = [
            size
            for size in range(1, most + 1)
            if not rules.refuse_tensor_parallel(estimator.spec, size)
        ]

    def request_s(self, device: Device) -> float:
        """Seconds of this device for a whole request, its weights shared with as many others as may run."""
        asked = self._estimator.workload
        limits = engine_limits(device, 1)
        most = float(limits.sequences * (self._sizes[-1] if device.kind is DeviceKind.CPU else 1))
        if asked.request_rate_per_s is None:
            most = float(asked.concurrent_requests)
        decode_s = self._layer_s(device, 1, most, decode=True) / most
        read_s = self._layer_s(device, 1, most, decode=False) / most
        layers = self._estimator.spec.layers
        return layers * (read_s + (asked.output_tokens - 1) * decode_s)

    def alone_s(self, device: Device) -> float:
        """Seconds of one request on as many devices like this one as can share a layer."""
        asked, layers = self._estimator.workload, self._estimator.spec.layers
        return min(
            layers * (self._layer_s(device, size, 1.0, decode=False) + self._waiting_s(size))
            + (asked.output_tokens - 1)
            * max(
                self._host_s,
                layers * (self._layer_s(device, size, 1.0, decode=True) + self._waiting_s(size)),
            )
            for size in self._sizes
        )

    def shared_out(self, kinds: Counter[Device]) -> float:
        """Limit 3 as requests per second; prices from where nothing is worth holding down to a billionth."""
        asked = self._estimator.workload
        lines = [(count, list(self._lines(device))) for device, count in kinds.items()]
        least_s = min(
            line.fixed_s for _, found in lines for options in found for line in options[1]
        )
        highest = 1 / least_s if least_s > 0 else 1e12
        rates = []
        for turn in range(_PRICES):
            price = highest * 10 ** (-9 * turn / _PRICES)
            total = price * asked.concurrent_requests
            for count, found in lines:
                total += count * max(
                    min(line.most(size, price) for line in options) for size, options in found
                )
            rates.append(total)
        return min(rates) / (self._estimator.spec.layers * (asked.output_tokens - 1))

    def _lines(self, device: Device) -> Iterator[tuple[int, list[_Line]]]:
        """For each size of group and format, lines that a layer's seconds never fall below."""
        most = float(max(2, self._estimator.workload.concurrent_requests))
        for size in self._sizes:
            for dtype in self._formats(device):
                one = self._parts(device, size, 1.0, dtype, decode=True)
                many = self._parts(device, size, most, dtype, decode=True)
                extra_s = device.layer_overhead_s + self._waiting_s(size)
                memory, arithmetic = (
                    _Line(fixed_s=a - (b - a) / (most - 1) + extra_s, each_s=(b - a) / (most - 1))
                    for a, b in zip(one, many, strict=True)
                )
                if device.kind is DeviceKind.CPU:
                    memory = _Line(
                        fixed_s=memory.fixed_s + arithmetic.fixed_s - extra_s,
                        each_s=memory.each_s + arithmetic.each_s,
                    )
                yield size, [memory, arithmetic]

    def _waiting_s(self, size: int) -> float:
        """What a layer's two all-reduces wait at least, where a group of this size must span PCs."""
        return 2 * self._message_s if size > self._together else 0.0

    def _formats(self, device: Device) -> set[DType]:
        """Formats that a copy with this device may compute in."""
        asked, spec = self._estimator.workload, self._estimator.spec
        alone = rules.resolve_dtype(spec, [device], asked.dtype)
        if isinstance(alone, Refusal):
            return {DType.FP32}
        return {alone} if asked.dtype else {alone, DType.FP16, DType.FP32}

    def _layer_s(self, device: Device, size: int, sequences: float, *, decode: bool) -> float:
        return device.layer_overhead_s + min(
            sum(parts) if device.kind is DeviceKind.CPU else max(parts)
            for dtype in self._formats(device)
            for parts in [self._parts(device, size, sequences, dtype, decode=decode)]
        )

    def _parts(
        self, device: Device, size: int, sequences: float, dtype: DType, *, decode: bool
    ) -> tuple[float, float]:
        """Seconds of reading and of arithmetic that a layer adds; what a stage takes besides is left out."""
        asked = self._estimator.workload
        context = asked.prompt_tokens + asked.output_tokens / 2
        one, two = (
            compute.parts(
                self._estimator.spec,
                Shard(layers=layers, first=False, last=False, tensor_parallel=size),
                device,
                dtype,
                sequences=sequences,
                tokens_each=context if decode else asked.prompt_tokens,
                decode=decode,
            )
            for layers in (1, 2)
        )
        return two[0] - one[0], two[1] - one[1]
