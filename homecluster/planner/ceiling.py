"""Requests per second that no layout over some devices exceeds, however many they are.

Two limits, each with everything else left out: every device reads and multiplies its share at the largest batch
that the load allows, with nothing to wait for; and no request is answered sooner than by the fastest devices
alone with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from homecluster.domain.hardware import Device, DType
from homecluster.planner import rules
from homecluster.planner.compute import Shard
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.pieces import Load, Pieces
from homecluster.planner.memory import engine_limits
from homecluster.planner.rules import Refusal


def most_requests_per_s(estimator: Estimator, devices: Sequence[Device]) -> float:
    """An upper bound; 0 where no device can run the model's arithmetic."""
    asked = estimator.workload
    able = [device for device in devices if not rules.refuse_device(estimator.spec, device)]
    work = _Work(estimator, len(devices))
    together = sum(1 / work.request_s(device) for device in able)
    limits = [together]
    if asked.request_rate_per_s is not None:
        limits.append(asked.request_rate_per_s)
    elif able:
        limits.append(asked.concurrent_requests / min(map(work.alone_s, able)))
    return min(limits)


class _Work:
    """Least seconds of a device; alike devices are asked once."""

    def __init__(self, estimator: Estimator, devices: int) -> None:
        self._estimator = estimator
        self._pieces: dict[DType, Pieces] = {}
        spec = estimator.spec
        most = min(devices, spec.heads)
        self._sizes = [
            size for size in range(1, most + 1) if not rules.refuse_tensor_parallel(spec, size)
        ]

    def request_s(self, device: Device) -> float:
        """Seconds of this device for a whole request, its weights shared with as many others as may run."""
        asked = self._estimator.workload
        limits = engine_limits(device, 1)
        most = float(limits.sequences)
        if asked.request_rate_per_s is None:
            most = min(most, asked.concurrent_requests)
        together = min(most, max(1.0, limits.batched_tokens / asked.prompt_tokens))
        decode_s = self._layer_s(device, 1, Load(decode=True, sequences=most)) / most
        read_s = self._layer_s(device, 1, Load(decode=False, sequences=together)) / together
        layers = self._estimator.spec.layers
        return layers * (read_s + (asked.output_tokens - 1) * decode_s)

    def alone_s(self, device: Device) -> float:
        """Seconds of one request on as many devices like this one as can share a layer."""
        asked = self._estimator.workload
        return self._estimator.spec.layers * min(
            self._layer_s(device, size, Load(decode=False, sequences=1.0))
            + (asked.output_tokens - 1)
            * self._layer_s(device, size, Load(decode=True, sequences=1.0))
            for size in self._sizes
        )

    def _layer_s(self, device: Device, size: int, load: Load) -> float:
        """The least over the formats that a copy with this device may compute in."""
        asked, spec = self._estimator.workload, self._estimator.spec
        alone = rules.resolve_dtype(spec, [device], asked.dtype)
        if isinstance(alone, Refusal):
            return math.inf
        shard = Shard(layers=1, first=False, last=False, tensor_parallel=size)
        formats = {alone} if asked.dtype else {alone, DType.FP16, DType.FP32}
        return min(self._pieces_of(dtype).seconds(device, shard, load) for dtype in formats)

    def _pieces_of(self, dtype: DType) -> Pieces:
        if dtype not in self._pieces:
            estimator = self._estimator
            self._pieces[dtype] = Pieces(estimator.spec, dtype, estimator.workload)
        return self._pieces[dtype]
