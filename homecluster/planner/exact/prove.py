"""Better copies than the usual candidates, where there are any, and a proof of how near the best the answer is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.hardware import Device, DType
from homecluster.domain.layout import Copy
from homecluster.planner import rules
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.clock import Clock
from homecluster.planner.exact.packing import MOST_DEVICES, Packed, Packing
from homecluster.planner.exact.subset import Subset
from homecluster.planner.memory import capacity_bytes
from homecluster.planner.rules import Refusal
from homecluster.planner.stages import stages
from homecluster.planner.weights import layer_weight_bytes

WORK = 4_000
"""Copies that may be timed: a count and not a time, so that a plan is the same on every run and PC."""

NOTHING_S = 1e12
"""The time of an answer that does not exist: every layout beats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What an exact search adds to an answer."""

    copies: tuple[Copy, ...]
    """A better layout; empty where the one given is within 0.1 % of the best."""
    gap: float | None
    """The best layout is at most this share faster than the better of both; None where nothing can run or be proved."""


def prove(estimator: Estimator, devices: Sequence[Device], time_s: float) -> Proof | None:
    """Search all copies over subsets of `devices` against an answer of `time_s` per request; None: too many."""
    if not 0 < len(devices) <= MOST_DEVICES or not math.isfinite(time_s):
        return None
    subsets = _Subsets(estimator, devices).all()
    asked = estimator.workload
    packing = Packing(
        devices,
        subsets,
        clients=None if asked.request_rate_per_s is not None else float(asked.concurrent_requests),
        rate_per_s=asked.request_rate_per_s,
        work=WORK,
    )
    packed = packing.best(time_s)
    return Proof(
        copies=tuple(stages(best.groups, best.counts) for best in packed.copies),
        gap=_gap(packed, time_s),
    )


def _gap(packed: Packed, given_s: float) -> float | None:
    if not packed.copies and given_s >= NOTHING_S:
        return None
    return packed.time_s / packed.least_s - 1 if packed.least_s > 0 else None


class _Subsets:
    """Sets of devices of one kind that the engine could join, by bit mask."""

    def __init__(self, estimator: Estimator, devices: Sequence[Device]) -> None:
        self._estimator, self._devices = estimator, devices
        self._clocks: dict[DType, Clock] = {}

    def all(self) -> dict[int, Subset]:
        found = {}
        for mask in range(1, 1 << len(self._devices)):
            chosen = [d for i, d in enumerate(self._devices) if mask >> i & 1]
            subset = self._of(chosen)
            if subset is not None and not subset.empty:
                found[mask] = subset
        return found

    def _of(self, chosen: Sequence[Device]) -> Subset | None:
        estimator, spec = self._estimator, self._estimator.spec
        if len({device.kind for device in chosen}) > 1:
            return None
        if any(rules.refuse_device(spec, device) for device in chosen):
            return None
        if not estimator.fabric.knows([device.node_id for device in chosen]):
            return None
        dtype = rules.resolve_dtype(spec, chosen, estimator.workload.dtype)
        if isinstance(dtype, Refusal):
            return None
        if not self._may_hold(chosen, dtype):
            return None
        if dtype not in self._clocks:
            self._clocks[dtype] = Clock(
                spec, dtype, estimator.workload, estimator.fabric, estimator.small_collectives
            )
        return Subset(self._clocks[dtype], chosen)

    def _may_hold(self, chosen: Sequence[Device], dtype: DType) -> bool:
        """All of them together have the memory for the weights alone."""
        asked = self._estimator.workload
        room = sum(capacity_bytes(device, asked.memory_utilization) for device in chosen)
        return room >= self._weight_bytes(dtype)

    def _weight_bytes(self, dtype: DType) -> int:
        spec = self._estimator.spec
        return spec.layers * layer_weight_bytes(spec, tensor_parallel=1, dtype=dtype)
