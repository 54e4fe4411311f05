"""How far a prediction may be off: the interval that is stated around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from homecluster.domain.estimate import Interval, Terms
from homecluster.domain.hardware import Device
from homecluster.planner import priors
from homecluster.planner.step import Copy


def around(mid: float, error: float) -> Interval:
    """An error of 0.5 means: off by a factor of up to 1.5 either way."""
    return Interval(low=mid / (1 + error), mid=mid, high=mid * (1 + error))


def relative_error(terms: Terms, copies: Sequence[Copy]) -> float:
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
