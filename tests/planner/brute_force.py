"""Every set of copies over a few devices, costed one by one with the estimate itself: what the exact search must equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from homecluster.domain.hardware import Device
from homecluster.domain.layout import Copy, Stage
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact import shapes
from homecluster.planner.exact.clock import Group
from homecluster.planner.load import closed_time_s, open_time_s
from homecluster.planner.preparation import Prepared


def best_time_s(estimator: Estimator, devices: Sequence[Device]) -> float | None:
    """The least time of a request over all sets of disjoint copies; None where none can run (or keep up)."""
    ready = [
        (frozenset(d for stage in copy for d in stage.devices), prepared)
        for copy in every_copy(estimator, devices)
        if isinstance(prepared := estimator.prepare(copy), Prepared)
    ]
    times = [
        time_s for chosen in _disjoint(ready) if (time_s := time_of(estimator, chosen)) is not None
    ]
    return min(times, default=None)


def time_of(estimator: Estimator, copies: Sequence[Prepared]) -> float | None:
    """Seconds of a request with the load spread over the copies."""
    responses = [estimator.response(one) for one in copies]
    rate = estimator.workload.request_rate_per_s
    if rate is None:
        return closed_time_s(responses, estimator.workload.concurrent_requests)
    return open_time_s(responses, rate)


def every_copy(estimator: Estimator, devices: Sequence[Device]) -> Iterator[Copy]:
    layers = estimator.spec.layers
    for count in range(1, len(devices) + 1):
        for chosen in combinations(devices, count):
            whole = shapes.tensor_group(estimator.spec, chosen)
            if whole is not None:
                yield _copy((whole,), (layers,))
            for inside in shapes.pipelines(estimator.spec, chosen):
                for groups in shapes.orders(inside):
                    for counts in shapes.splits(layers, [layers] * len(groups)):
                        yield _copy(groups, counts)


def _disjoint(ready: Sequence[tuple[frozenset[str], Prepared]]) -> Iterator[list[Prepared]]:
    for index, (devices, prepared) in enumerate(ready):
        yield [prepared]
        rest = [one for one in ready[index + 1 :] if not one[0] & devices]
        for others in _disjoint(rest):
            yield [prepared, *others]


def _copy(groups: Sequence[Group], counts: Sequence[int]) -> Copy:
    stages, start = [], 0
    for group, count in zip(groups, counts, strict=True):
        ids = tuple(device.id for device in group)
        stages.append(Stage(layer_start=start, layer_stop=start + count, devices=ids))
        start += count
    return tuple(stages)
