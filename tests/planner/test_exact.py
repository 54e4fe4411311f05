"""The exact search equals brute force on small homes, and its bounds are never beaten."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.model import Experts, ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.ceiling import most_requests_per_s
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.packing import TOLERANCE
from homecluster.planner.exact.prove import NOTHING_S, prove
from homecluster.planner.preparation import Prepared
from tests.builders import cluster, device, model, node
from tests.planner import brute_force
from tests.strategies import WORKLOADS, clusters, models

FEW = settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)


BETWEEN_KNOTS = 5e-3
"""A response is a straight line between knots, and a bound has no knot where a copy's cache is full."""


def small(spec: ModelSpec, layers: int) -> ModelSpec:
    """So few layers that all ways to cut them can be tried."""
    return replace(spec, layers=layers, generates=True, max_positions=131_072)


def judged(home: Cluster, spec: ModelSpec, workload: Serve, most_devices: int) -> None:
    devices = home.devices()
    if len(devices) > most_devices:
        return
    estimator = Estimator(home, spec, workload)
    expected_s = brute_force.best_time_s(estimator, devices)
    start_s = NOTHING_S
    if workload.request_rate_per_s is not None and expected_s is not None:
        # A copy may keep up with a rate while half full and no longer when full (its messages outgrow a
        # measured curve): the search starts from a layout that keeps up, as a plan's does.
        start_s = expected_s * (1 + 2 * BETWEEN_KNOTS)
    proof = prove(estimator, devices, start_s)
    assert proof is not None
    if expected_s is None:
        assert not proof.copies
        return
    most_per_s = most_requests_per_s(estimator, devices)
    assert most_per_s * expected_s >= (asked_for(workload, expected_s)) * (1 - 1e-6)
    ready = [estimator.prepare(copy) for copy in proof.copies]
    copies = [one for one in ready if isinstance(one, Prepared)]
    assert len(copies) == len(ready)
    found_s = brute_force.time_of(estimator, copies)
    assert found_s is not None
    assert found_s == pytest.approx(expected_s, rel=BETWEEN_KNOTS)
    assert proof.gap is not None
    assert found_s / (1 + proof.gap) <= expected_s * (1 + BETWEEN_KNOTS)


def asked_for(workload: Serve, time_s: float) -> float:
    """Requests inside while each takes `time_s`."""
    rate = workload.request_rate_per_s
    return workload.concurrent_requests if rate is None else rate * time_s


@FEW
@given(clusters(most=3), models(), WORKLOADS, st.integers(2, 4))
def test_the_search_equals_brute_force_on_small_homes(
    home: Cluster, spec: ModelSpec, workload: Serve, layers: int
) -> None:
    judged(home, small(spec, layers), workload, 4)


def test_a_card_without_memory_does_not_hide_the_one_that_has_it() -> None:
    full = device("a", 1, memory_free_bytes=1)
    workload = Serve(prompt_tokens=1, output_tokens=1, concurrent_requests=2)
    judged(cluster(node("a", device("a"), full)), small(model("gpt2"), 2), workload, 2)


def test_the_bound_is_a_number_where_requests_arrive_at_a_processor() -> None:
    home = cluster(node("a", device("a", kind=DeviceKind.CPU)))
    judged(home, small(model("gpt2"), 2), Serve(output_tokens=32, request_rate_per_s=2.0), 1)


def test_the_bound_holds_where_many_that_arrive_read_the_same_experts() -> None:
    """Two read twice the experts of one, eight hardly more than seven: such a card keeps up with 49 requests/s."""
    slow = device(
        "a",
        memory_bandwidth_bytes_per_s=1e9,
        peak_flop_per_s=((DType.FP16, 1e10), (DType.FP32, 1e10)),
        compute_capability=(7, 5),
        step_overhead_s=0.0,
        layer_overhead_s=0.0,
    )
    spec = replace(
        model("llama-3-8b"),
        hidden_size=128,
        heads=1,
        kv_heads=1,
        head_size=128,
        vocab_size=32,
        experts=Experts(count=8, per_token=1, ffn_size=1024),
    )
    workload = Serve(prompt_tokens=1, output_tokens=12, request_rate_per_s=49.0)
    judged(cluster(node("a", slow)), small(spec, 4), workload, 1)


@pytest.mark.slow
@settings(parent=FEW, max_examples=300)
@given(clusters(most=3), models(), WORKLOADS, st.integers(2, 5))
def test_the_search_equals_brute_force_on_hundreds_of_small_homes(
    home: Cluster, spec: ModelSpec, workload: Serve, layers: int
) -> None:
    judged(home, small(spec, layers), workload, 4)


@pytest.mark.slow
@settings(parent=FEW, max_examples=60)
@given(clusters(most=5), models(), WORKLOADS, st.integers(3, 6))
def test_the_best_copy_for_one_request_is_found_among_five_devices(
    home: Cluster, spec: ModelSpec, workload: Serve, layers: int
) -> None:
    """One request at a time runs in one copy, so that all copies, not all sets, are what must be beaten."""
    alone = replace(workload, concurrent_requests=1, request_rate_per_s=None)
    devices = home.devices()
    assume(len(devices) == 5)
    spec = small(spec, layers)
    estimator = Estimator(home, spec, alone)
    ready = [estimator.prepare(copy) for copy in brute_force.every_copy(estimator, devices)]
    times = [brute_force.time_of(estimator, [one]) for one in ready if isinstance(one, Prepared)]
    proof = prove(estimator, devices, NOTHING_S)
    assert proof is not None
    assert bool(proof.copies) == bool(times)
    if times:
        copies = [estimator.prepare(copy) for copy in proof.copies]
        found = brute_force.time_of(estimator, [one for one in copies if isinstance(one, Prepared)])
        assert found == pytest.approx(min(filter(None, times)), rel=TOLERANCE * 1.01)
