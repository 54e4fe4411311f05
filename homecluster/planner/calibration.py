"""Four factors for a PC's devices from a few real runs: the estimate bent to what was measured, and no further.

The unknowns are the logarithms of four times: the host's per step and per sequence, reading memory, arithmetic.
Each run gives two rows (first token, time between tokens), each factor one more that says how far its figure may
be believed: 30 % where it was probed, a factor of three where it was assumed. Few unknowns, each with a meaning:
better figures come from more runs, not from more unknowns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.domain.calibration import Correction, Run
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import Device, DeviceKind, Node, Provenance
from homecluster.domain.topology import Cluster
from homecluster.planner import priors
from homecluster.planner.estimate import Estimator
from homecluster.planner.linear import least_squares, spreads

FIELDS: Final = {
    "step": "step_overhead_s",
    "sequence": "sequence_overhead_s",
    "memory": "memory_bandwidth_bytes_per_s",
    "arithmetic": "peak_flop_per_s",
}
"""Factor -> the device's field that it corrects."""
RUN_ERROR: Final = 0.05
"""How well a short run repeats on a PC that other programs share."""
_LEARNED: Final = 0.5
"""A figure counts as calibrated once the runs halved what was uncertain of it."""
_ROUNDS, _NUDGE, _FARTHEST = 6, 0.01, math.log(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """When and with what the runs were made."""

    fitted_at: str
    engine: str


def fit(node: Node, kind: DeviceKind, runs: Sequence[Run], origin: Origin) -> Correction:
    """The correction of the node's devices of one kind that explains the runs best.

    Gauss and Newton's method on the logarithms, from no correction; deterministic.
    """
    logs = [0.0] * len(FIELDS)
    rows: list[list[float]] = []
    believed = _believed(node, kind)
    for _ in range(_ROUNDS):
        rows, wanted = _linear(node, kind, runs, logs)
        for i, error in enumerate(believed):
            rows.append([float(i == j) / error for j in range(len(logs))])
            wanted.append(0.0)
        logs = [max(-_FARTHEST, min(_FARTHEST, x)) for x in least_squares(rows, wanted)]
    learned = tuple(
        name
        for name, before, after in zip(FIELDS, believed, spreads(rows), strict=True)
        if after < _LEARNED * before
    )
    factors = dict(zip(FIELDS, map(math.exp, logs), strict=True))
    return Correction(
        kind=kind,
        step=factors["step"],
        sequence=factors["sequence"],
        memory=factors["memory"],
        arithmetic=factors["arithmetic"],
        learned=learned,
        runs=len(runs),
        left_over=_left_over(_measured(runs), _predicted(node, kind, runs, logs)),
        fitted_at=origin.fitted_at,
        engine=origin.engine,
    )


def _linear(
    node: Node, kind: DeviceKind, runs: Sequence[Run], logs: Sequence[float]
) -> tuple[list[list[float]], list[float]]:
    """(how each figure's logarithm moves with each factor's, what the factors are wanted to give), in run errors."""
    now = _predicted(node, kind, runs, logs)
    nudged = [
        _predicted(node, kind, runs, [*logs[:i], logs[i] + _NUDGE, *logs[i + 1 :]])
        for i in range(len(logs))
    ]
    rows = [
        [math.log(other[k] / now[k]) / _NUDGE / RUN_ERROR for other in nudged]
        for k in range(len(now))
    ]
    wanted = [
        math.log(value / now[k]) / RUN_ERROR + sum(map(_product, rows[k], logs))
        for k, value in enumerate(_measured(runs))
    ]
    return rows, wanted


def _measured(runs: Sequence[Run]) -> list[float]:
    """First token and time between tokens of every run."""
    return [value for run in runs for value in (run.first_token_s, run.token_interval_s)]


def corrected(device: Device, correction: Correction) -> Device:
    """The device as the runs showed it: figures that hold as they are, marked as calibrated."""
    if device.kind is not correction.kind:
        return device
    changes: dict[str, Any] = {}
    for name in correction.learned:
        field, factor = FIELDS[name], getattr(correction, name)
        changes[field] = _figure(device, field, factor)
    if not changes:
        return device
    marks = dict(device.provenance) | dict.fromkeys(changes, Provenance.CALIBRATED)
    return replace(
        device,
        **changes,
        calibration_error=max(RUN_ERROR, correction.left_over),
        provenance=tuple(sorted(marks.items())),
    )


def _figure(device: Device, field: str, factor: float) -> object:
    """The device's figure as it holds in the engine, its time `factor` times as long."""
    provenance = device.provenance_of(field)
    if field == FIELDS["memory"]:
        share = priors.BANDWIDTH_EFFICIENCY[provenance]
        return device.memory_bandwidth_bytes_per_s * share / factor
    if field == FIELDS["arithmetic"]:
        share = priors.FLOP_EFFICIENCY[provenance]
        return tuple((dtype, rate * share / factor) for dtype, rate in device.peak_flop_per_s)
    return getattr(device, field) * factor


def explainable(node: Node, run: Run) -> bool:
    """The planner would let this run: an engine of another version may have more room than it allows."""
    free = tuple(replace(one, memory_free_bytes=one.memory_total_bytes) for one in node.devices)
    home = Cluster(nodes=(replace(node, devices=free),))
    return isinstance(Estimator(home, run.spec, run.workload).estimate(run.layout), Estimate)


def _predicted(
    node: Node, kind: DeviceKind, runs: Sequence[Run], logs: Sequence[float]
) -> list[float]:
    """The same, as the planner says with these factors."""
    trial = Correction(
        kind=kind,
        **dict(zip(FIELDS, map(math.exp, logs), strict=True)),
        learned=tuple(FIELDS),
        runs=0,
        left_over=0.0,
        fitted_at="",
        engine="",
    )
    # The job itself held memory while it ran; the question is its speed, not whether it fits again.
    devices = tuple(
        replace(corrected(one, trial), memory_free_bytes=one.memory_total_bytes)
        for one in node.devices
    )
    home = Cluster(nodes=(replace(node, devices=devices),))
    found: list[float] = []
    for run in runs:
        estimate = Estimator(home, run.spec, run.workload).estimate(run.layout)
        if not isinstance(estimate, Estimate):
            raise ValueError(f"the planner refuses a layout that ran: {estimate.detail}")  # noqa: TRY004
        found += [estimate.first_token_s.mid, estimate.token_interval_s.mid]
    return found


def _believed(node: Node, kind: DeviceKind) -> list[float]:
    """How far, in logarithms, each figure may be off: by the least trusted device of the kind."""
    devices = [device for device in node.devices if device.kind is kind]
    return [
        math.log1p(max(priors.SPEED_ERROR[device.provenance_of(field)] for device in devices))
        for field in FIELDS.values()
    ]


def _left_over(measured: Sequence[float], predicted: Sequence[float]) -> float:
    """Root mean square of the relative errors; each unknown that was fitted costs a row.

    Fewer rows than unknowns can be met without being right: then it is the error of the model at large.
    """
    squares = sum(math.log(m / p) ** 2 for m, p in zip(measured, predicted, strict=True))
    spare = len(measured) - len(FIELDS)
    return math.sqrt(squares / spare) if spare > 0 else priors.MODEL_ERROR


def _product(a: float, b: float) -> float:
    return a * b
