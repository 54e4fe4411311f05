"""Small collectives by direct exchange: offered where it was measured, costed by hand, pinned, and named."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.layout import Layout
from homecluster.domain.plan import Plan
from homecluster.domain.small_collectives import SmallCollectives, all_reduce_limit_bytes
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import exchange, network, priors
from homecluster.planner.estimate import Estimator
from homecluster.planner.network import Fabric
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from tests.builders import cluster, device, link, model, node

CPU, CUDA = DeviceKind.CPU, DeviceKind.CUDA
RTT_S, RATE = 20e-3, 2.5e6
HOTSPOT = {"latency_s": RTT_S / 2, "bandwidth_bytes_per_s": RATE, "medium": "air"}
SMALL = 1536


def home(count: int = 2, kind: DeviceKind = CPU, **links: object) -> Cluster:
    return cluster(
        *(node(name, device(name, kind=kind)) for name in "abcdefgh"[:count]), **(HOTSPOT | links)
    )


def tensor_parallel(home: Cluster, size: int = 2, **pins: Any) -> Plan:
    found = plan(home, model(), Serve(), Pins(tensor_parallel=size, replicas=1, **pins))
    return next(one for one in found.plans if one.layout.tensor_parallel == size)


def group(of: Cluster) -> tuple[Device, ...]:
    return of.devices()


def test_two_pcs_wait_half_a_round_trip_where_gloo_waits_two() -> None:
    two = home()
    ours = exchange.all_reduce(Fabric(two), group(two), SMALL)
    gloos = network.all_reduce(Fabric(two), group(two), SMALL)
    assert ours.latency_s == pytest.approx(RTT_S / 2 + priors.EXCHANGE_LAUNCH_S)
    assert gloos.latency_s == pytest.approx(2 * RTT_S + priors.COLLECTIVE_LAUNCH_S[CPU])
    # Two messages share the air either way.
    assert ours.transfer_s == pytest.approx(2 * SMALL / RATE)
    assert gloos.transfer_s == pytest.approx(2 * SMALL / RATE)


def test_on_cables_each_of_four_pcs_sends_three_copies_at_once() -> None:
    four = home(4, medium=None)
    assert exchange.one_shot(Fabric(four), group(four), SMALL).transfer_s == pytest.approx(3 * SMALL / RATE)  # fmt: skip


def test_on_one_air_twelve_messages_of_four_pcs_wait_for_one_another() -> None:
    four = home(4)
    assert exchange.one_shot(Fabric(four), group(four), SMALL).transfer_s == pytest.approx(12 * SMALL / RATE)  # fmt: skip


def test_a_measured_exchange_beats_what_the_link_implies() -> None:
    two = home(exchange=((1024, 3e-3), (65536, 9e-3)))
    cost = exchange.all_reduce(Fabric(two), group(two), 1024)
    assert cost.total_s == pytest.approx(3e-3 + priors.EXCHANGE_LAUNCH_S)


def test_large_messages_go_the_engines_way() -> None:
    two = home()
    fabric, limit = Fabric(two), all_reduce_limit_bytes(2)
    assert exchange.all_reduce(fabric, group(two), limit + 1) == network.all_reduce(fabric, group(two), limit + 1)  # fmt: skip
    assert exchange.all_reduce(fabric, group(two), limit) != network.all_reduce(fabric, group(two), limit)  # fmt: skip


def test_it_is_offered_to_cpus_on_two_to_four_pcs_and_to_nobody_else() -> None:
    assert [exchange.is_offered(group(home(count))) for count in (2, 3, 4, 5)] == [True, True, True, False]  # fmt: skip
    assert not exchange.is_offered(group(home(2, CUDA)))
    one_pc = cluster(node("a", device("a", 0, CPU), device("a", 1, CPU)))
    assert not exchange.is_offered(group(one_pc))


def test_the_planner_chooses_it_and_says_so() -> None:
    chosen = tensor_parallel(home())
    assert chosen.layout.small_collectives is SmallCollectives.EXCHANGE
    assert "by direct exchange" in chosen.reason


def test_a_pin_keeps_the_engines_own() -> None:
    chosen = tensor_parallel(home())
    stock = tensor_parallel(home(), small_collectives=SmallCollectives.ENGINE)
    assert stock.layout.small_collectives is SmallCollectives.ENGINE
    assert "exchange" not in stock.reason
    gain = stock.estimate.terms.network_latency_s / chosen.estimate.terms.network_latency_s
    assert 3 < gain < 4  # the logits' gather and the scheduler's messages keep theirs


@pytest.mark.parametrize("kind", [CUDA])
def test_cards_are_never_given_what_was_not_measured_on_them(kind: DeviceKind) -> None:
    free = tensor_parallel(home(2, kind))
    asked = tensor_parallel(home(2, kind), small_collectives=SmallCollectives.EXCHANGE)
    assert free.layout.small_collectives is SmallCollectives.ENGINE
    assert asked.estimate == free.estimate
    assert asked.layout.small_collectives is SmallCollectives.ENGINE


def test_one_pc_and_pipelines_have_no_use_for_it() -> None:
    for one in plan(home(), model(), Serve(), Pins()).plans:
        if one.layout.tensor_parallel == 1:
            assert one.layout.small_collectives is SmallCollectives.ENGINE


def test_a_layout_is_estimated_as_it_says() -> None:
    two = home()
    layout: Layout = tensor_parallel(two).layout
    estimator = Estimator(two, model(), Serve())
    ours = estimator.estimate(layout)
    stock = estimator.estimate(replace(layout, small_collectives=SmallCollectives.ENGINE))
    assert ours == tensor_parallel(two).estimate
    assert stock == tensor_parallel(two, small_collectives=SmallCollectives.ENGINE).estimate


@settings(max_examples=60)
@given(
    pcs=st.integers(2, 4),
    message=st.floats(0, 65_536),
    worse=st.tuples(st.floats(1e-5, 0.1), st.floats(1e5, 1e9), st.sampled_from(["air", None])),
    better=st.floats(0.1, 1.0),
)
def test_a_better_link_never_makes_an_exchange_slower(
    pcs: int, message: float, worse: tuple[float, float, str | None], better: float
) -> None:
    latency_s, rate, medium = worse
    slow = home(pcs, latency_s=latency_s, bandwidth_bytes_per_s=rate, medium=medium)
    quick = home(pcs, latency_s=latency_s * better, bandwidth_bytes_per_s=rate / better, medium=medium)  # fmt: skip
    slow_s = exchange.all_reduce(Fabric(slow), group(slow), message).total_s
    assert exchange.all_reduce(Fabric(quick), group(quick), message).total_s <= slow_s * (1 + 1e-9)


def test_the_slowest_of_three_links_decides() -> None:
    three = home(3, medium=None)
    slow = link("b", "c", latency_s=0.5, bandwidth_bytes_per_s=RATE)
    links = tuple(slow if (x.src, x.dst) == ("b", "c") else x for x in three.links)
    mixed = replace(three, links=links)
    cost = exchange.one_shot(Fabric(mixed), group(mixed), SMALL)
    assert cost.latency_s == pytest.approx(0.5 + priors.EXCHANGE_LAUNCH_S)
