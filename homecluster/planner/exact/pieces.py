"""What each device would take for so many layers, looked up instead of computed: the exact search asks often."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.ids import DeviceId
from homecluster.domain.model import ModelSpec
from homecluster.domain.workload import Serve
from homecluster.planner import compute
from homecluster.planner.compute import Shard


class Load(NamedTuple):
    """What one step holds; a tuple, because it is looked up often."""

    decode: bool
    """Else it reads prompts."""
    sequences: float


class Line(NamedTuple):
    """Seconds of reading and of arithmetic with one layer, and what each further layer adds."""

    memory_s: float
    memory_more_s: float
    compute_s: float
    compute_more_s: float
    overhead_s: float
    """Per layer, hidden by nothing."""
    sums: bool
    """Reading and arithmetic add up (CPU); else the longer one hides the other."""

    def seconds(self, layers: int) -> float:
        memory_s = self.memory_s + (layers - 1) * self.memory_more_s
        compute_s = self.compute_s + (layers - 1) * self.compute_more_s
        busy_s = memory_s + compute_s if self.sums else max(memory_s, compute_s)
        return busy_s + layers * self.overhead_s

    @property
    def slope_s(self) -> float:
        """What each layer adds at least."""
        more = (self.memory_more_s, self.compute_more_s)
        return (sum(more) if self.sums else max(more)) + self.overhead_s

    @property
    def fixed_s(self) -> float:
        """What any number of layers takes at least beyond their slopes: embeddings, output head."""
        memory_s = max(0.0, self.memory_s - self.memory_more_s)
        compute_s = max(0.0, self.compute_s - self.compute_more_s)
        if self.sums:
            return memory_s + compute_s
        return memory_s if self.memory_more_s >= self.compute_more_s else compute_s


class Pieces:
    """Seconds of one device's share of a step; bytes and arithmetic grow by the same amount with every layer."""

    def __init__(self, spec: ModelSpec, dtype: DType, workload: Serve) -> None:
        self.spec, self.dtype, self.workload = spec, dtype, workload
        self._lines: dict[tuple[DeviceId, int, bool, bool, Load], Line] = {}
        self._ends: dict[tuple[DeviceId, int, bool, bool, bool], tuple[Line, Line]] = {}
        """At one sequence and at two."""

    def seconds(self, device: Device, shard: Shard, load: Load) -> float:
        return self.line(device, shard, load).seconds(shard.layers)

    def line(self, device: Device, shard: Shard, load: Load) -> Line:
        """For any number of layers; those of `shard` do not count."""
        key = device.id, shard.tensor_parallel, shard.first, shard.last, load
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._line(device, shard, load)
        return line

    def _line(self, device: Device, shard: Shard, load: Load) -> Line:
        """All parts grow by the same amount with every sequence, but for what several of them read together of experts."""
        if load.decode and self.spec.experts is not None:
            return self._computed(device, shard, load)
        key = device.id, shard.tensor_parallel, shard.first, shard.last, load.decode
        known = self._ends.get(key)
        if known is None:
            known = self._ends[key] = (
                self._computed(device, shard, Load(decode=load.decode, sequences=1.0)),
                self._computed(device, shard, Load(decode=load.decode, sequences=2.0)),
            )
        one, two = known
        more = load.sequences - 1
        return Line(
            memory_s=one.memory_s + more * (two.memory_s - one.memory_s),
            memory_more_s=one.memory_more_s + more * (two.memory_more_s - one.memory_more_s),
            compute_s=one.compute_s + more * (two.compute_s - one.compute_s),
            compute_more_s=one.compute_more_s + more * (two.compute_more_s - one.compute_more_s),
            overhead_s=one.overhead_s,
            sums=one.sums,
        )

    def _computed(self, device: Device, shard: Shard, load: Load) -> Line:
        one, two = (
            compute.parts(
                self.spec,
                replace(shard, layers=layers),
                device,
                self.dtype,
                sequences=load.sequences,
                tokens_each=self._tokens_each(load),
                decode=load.decode,
            )
            for layers in (1, 2)
        )
        return Line(
            memory_s=one[0],
            memory_more_s=two[0] - one[0],
            compute_s=one[1],
            compute_more_s=two[1] - one[1],
            overhead_s=device.layer_overhead_s,
            sums=device.kind is DeviceKind.CPU,
        )

    def _tokens_each(self, load: Load) -> float:
        asked = self.workload
        if load.decode:
            return asked.prompt_tokens + asked.output_tokens / 2
        return asked.prompt_tokens
