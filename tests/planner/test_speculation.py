"""Drafting by n-gram: yields by hand, and it pays where messages are waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.estimate import Estimator
from homecluster.planner.preparation import Prepared
from homecluster.planner.speculation import (
    Speculated,
    acceptance_of,
    speculated,
    tokens_per_step,
)
from tests.builders import cluster, copy_of, device, model, node


def drafting(home: Cluster, *devices: str, running: float = 1.0) -> Speculated:
    spec = model()
    prepared = Estimator(home, spec, Serve()).prepare(copy_of(spec, (spec.layers, devices)))
    assert isinstance(prepared, Prepared)
    return speculated(prepared.copy, Serve(), running=running)


def pair(rtt_s: float) -> Cluster:
    pcs = (node(name, device(name, kind=DeviceKind.CPU)) for name in "ab")
    return cluster(*pcs, latency_s=rtt_s / 2, bandwidth_bytes_per_s=1e8)


def test_a_step_yields_the_geometric_sum() -> None:
    assert tokens_per_step(0.0, 4) == 1
    assert tokens_per_step(0.5, 4) == pytest.approx(1.9375)
    assert tokens_per_step(1.0, 4) == 5


@given(acceptance=st.floats(0, 1), drafts=st.integers(1, 16))
def test_a_measured_yield_says_the_acceptance(acceptance: float, drafts: int) -> None:
    yielded = tokens_per_step(acceptance, drafts)
    assert acceptance_of(yielded, drafts) == pytest.approx(acceptance, abs=1e-6)


def test_where_only_latency_counts_almost_every_draft_is_a_gain() -> None:
    far = drafting(pair(0.1), "a/cpu:0", "b/cpu:0")
    assert far.gain(1.0) == pytest.approx(5, rel=0.1)
    assert far.least_acceptance is not None
    assert far.least_acceptance < 0.1


def test_a_farther_pc_makes_drafting_pay_sooner() -> None:
    near, far = (drafting(pair(rtt_s), "a/cpu:0", "b/cpu:0") for rtt_s in (1e-3, 1e-1))
    assert near.least_acceptance is not None
    assert far.least_acceptance is not None
    assert far.least_acceptance < near.least_acceptance


def test_where_arithmetic_binds_it_does_not_pay() -> None:
    """64 sequences already fill a slow processor."""
    slow = device("a", kind=DeviceKind.CPU, peak_flop_per_s=((DType.BF16, 1e9), (DType.FP32, 1e9)))
    home = cluster(node("a", slow))
    least = drafting(home, "a/cpu:0", running=64).least_acceptance
    assert least is not None
    assert least > 0.9  # no text is that predictable


@given(
    acceptance=st.floats(0, 1),
    drafts=st.integers(1, 16),
    interval_s=st.floats(1e-3, 10),
    slowdown=st.floats(1, 20),
)
def test_it_pays_exactly_from_the_least_acceptance_on(
    acceptance: float, drafts: int, interval_s: float, slowdown: float
) -> None:
    one = Speculated(drafts=drafts, plain_interval_s=interval_s, step_s=interval_s * slowdown)
    least = one.least_acceptance
    if least is None:
        assert one.gain(acceptance) <= 1.0
    elif acceptance > least + 1e-6:
        assert one.gain(acceptance) > 1.0
    elif acceptance < least - 1e-6:
        assert one.gain(acceptance) <= 1.0 + 1e-9
