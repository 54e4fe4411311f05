"""What a device could at most contribute to any layout: the ways to use it, each with the rest left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from homecluster.domain.hardware import DTYPE_BYTES, Device, DeviceKind, DType
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.planner import compute, priors, rules, step
from homecluster.planner.compute import Shard
from homecluster.planner.device_use import Line, Use
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.room import Room, requests, room_of
from homecluster.planner.memory import engine_limits
from homecluster.planner.rules import Refusal

_CPU_SEQUENCES = 1e9
"""More than any number of ranks lets run at once."""


class Allowance:
    """Uses of the devices of one cluster."""

    def __init__(self, estimator: Estimator, devices: Sequence[Device]) -> None:
        self._estimator, self._spec = estimator, estimator.spec
        alike = Counter((one.node_id, one.kind, one.compute_capability) for one in devices)
        self._together = max(alike.values())
        most = min(len(devices), estimator.spec.heads)
        self._sizes = [
            size
            for size in range(1, most + 1)
            if not rules.refuse_tensor_parallel(estimator.spec, size)
        ]
        self._known: dict[Device, tuple[Use, ...]] = {}
        self._host_s = min(step.host_seconds(self._spec, one, 1, 1) for one in devices)
        further = (
            step.host_seconds(self._spec, one, 1, 2) - step.host_seconds(self._spec, one, 1, 1)
            for one in devices
        )
        self._sequence_s = min(further)
        self._weak, self._crossings = self._spanning(devices)

    def uses(self, device: Device) -> tuple[Use, ...]:
        """Every way that may be best; the same for devices that differ in nothing that counts."""
        key = replace(
            device,
            id=DeviceId(""),
            node_id=NodeId("weak" if device.node_id in self._weak else ""),
            step_overhead_s=0.0,
            sequence_overhead_s=0.0,
        )
        if key not in self._known:
            kept: list[Use] = []
            for use in self._made(key):
                if not any(other.beats(use) for other in kept):
                    kept = [*(other for other in kept if not use.beats(other)), use]
            self._known[key] = tuple(kept)
        return self._known[key]

    def _made(self, device: Device) -> Iterator[Use]:
        for size in self._sizes:
            for dtype in self._formats(device):
                room = self._room(device, size, dtype)
                if room.layers and (size <= self._together or room.layers >= self._spec.layers):
                    yield from self._of(device, size, dtype, room)

    def _of(self, device: Device, size: int, dtype: DType, room: Room) -> Iterator[Use]:
        asked, layers = self._estimator.workload, self._spec.layers
        most = self._most_requests(device, size)
        lines = self._lines(device, size, dtype)
        wait_s, byte_s = self._all_reduce(size, dtype)
        prompt_s = self._prompt_s(device, size, dtype) + asked.prompt_tokens * byte_s
        lines = tuple(line.plus(wait_s, byte_s) for line in lines)
        use = Use(
            size=size,
            layers=min(layers, room.layers),
            lines=lines,
            decodes=asked.output_tokens - 1,
            prompt_s=prompt_s,
            besides_s=0.0,
            batch=max(1.0, most),
        )
        if room.layers >= layers:
            alone = min(most, requests(self._spec, asked, [room]))
            if alone >= 1:
                yield use._replace(lines=tuple(self._with_host(lines)), batch=alone)
        if size <= self._together and self._spec.supports_pipeline:
            besides_s = self._besides_s(dtype, device.node_id == "weak") / layers
            yield use._replace(besides_s=besides_s)

    def _with_host(self, lines: Sequence[Line]) -> Iterator[Line]:
        """Of a single stage: what the host does for each sequence is never hidden, and a step is no shorter than it."""
        layers = self._spec.layers
        for line in lines:
            yield line.plus(-self._sequence_s / layers, self._sequence_s / layers)
        yield Line((self._host_s - self._sequence_s) / layers, self._sequence_s / layers)

    def _besides_s(self, dtype: DType, weak: bool) -> float:
        """Seconds of a request in a pipeline that no device computes in."""
        asked, fabric = self._estimator.workload, self._estimator.fabric
        steps_s = (asked.output_tokens - 1) * self._host_s
        if not weak:
            return steps_s
        token_bytes = step.hand_over_bytes(self._spec, dtype, 1)
        tokens = asked.prompt_tokens + asked.output_tokens - 1
        sent_s = tokens * token_bytes * fabric.least_byte_s()
        messages = 2 * priors.HANDOVER_ROUND_TRIPS[DeviceKind.CUDA] * self._crossings
        messages += 2 * priors.STEP_ROUND_TRIPS["pipeline"]
        waits_s = asked.output_tokens * messages * fabric.least_message_s()
        return steps_s + self._crossings * sent_s + waits_s

    def _all_reduce(self, size: int, dtype: DType) -> tuple[float, float]:
        """What a layer's two all-reduces take at least: (waiting, for each token), where a group must span PCs."""
        if size <= self._together:
            return 0.0, 0.0
        fabric = self._estimator.fabric
        bytes_each = self._spec.hidden_size * DTYPE_BYTES[dtype]
        byte_s = 0.0 if fabric.has_curves() else fabric.least_byte_s()
        return 2 * fabric.least_message_s(), 2 * bytes_each * byte_s

    def _spanning(self, devices: Sequence[Device]) -> tuple[set[NodeId], int]:
        """PCs that do not hold the model by themselves, and how often a copy over such PCs crosses between them."""
        layers = self._spec.layers
        held: defaultdict[NodeId, int] = defaultdict(int)
        for device in devices:
            rooms = [self._room(device, 1, dtype).layers for dtype in self._formats(device)]
            held[device.node_id] += max(rooms) + 1
        weak = {node for node, most in held.items() if most < layers}
        if len(weak) < len(held):
            return weak, 1
        count, total = 0, 0
        for most in sorted(held.values(), reverse=True):
            count, total = count + 1, total + most
            if total >= layers:
                break
        return weak, count - 1

    def _room(self, device: Device, size: int, dtype: DType) -> Room:
        return room_of(self._spec, (device,) * size, dtype, self._estimator.workload, size)

    def _formats(self, device: Device) -> set[DType]:
        """Formats that a copy with this device may compute in."""
        asked = self._estimator.workload
        alone = rules.resolve_dtype(self._spec, [device], asked.dtype)
        if isinstance(alone, Refusal):
            return {DType.FP32}
        return {alone} if asked.dtype else {alone, DType.FP16, DType.FP32}

    def _most_requests(self, device: Device, size: int) -> float:
        """That may be in a copy at once."""
        limit = float(engine_limits(device, size).sequences)
        if device.kind is DeviceKind.CPU:
            limit = _CPU_SEQUENCES
        if self._estimator.workload.request_rate_per_s is not None:
            return limit
        return min(limit, float(self._estimator.workload.concurrent_requests))

    def _lines(self, device: Device, size: int, dtype: DType) -> tuple[Line, ...]:
        most = max(2.0, self._most_requests(device, size))
        one = self._parts(device, size, 1.0, dtype, decode=True)
        many = self._parts(device, size, most, dtype, decode=True)
        memory, arithmetic = (
            Line(max(0.0, a - (b - a) / (most - 1)), (b - a) / (most - 1))
            for a, b in zip(one, many, strict=True)
        )
        if device.kind is DeviceKind.CPU:
            memory = memory.plus(arithmetic.fixed_s, arithmetic.each_s)
        return tuple(line.plus(device.layer_overhead_s, 0.0) for line in (memory, arithmetic))

    def _prompt_s(self, device: Device, size: int, dtype: DType) -> float:
        """Seconds of one prompt in a layer, read together with as many others as there may be."""
        most = self._most_requests(device, size)
        parts = self._parts(device, size, most, dtype, decode=False)
        busy_s = sum(parts) if device.kind is DeviceKind.CPU else max(parts)
        return (busy_s + device.layer_overhead_s) / most

    def _parts(
        self, device: Device, size: int, sequences: float, dtype: DType, *, decode: bool
    ) -> tuple[float, float]:
        """Seconds of reading and of arithmetic that a layer adds; what a stage takes besides is left out."""
        asked = self._estimator.workload
        context = asked.prompt_tokens + asked.output_tokens / 2
        one, two = (
            compute.parts(
                self._spec,
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
