"""What each ZeRO stage sends, over two round PCs: 1 ms and 100 MB/s."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.training import LIVE_PARAMETERS
from homecluster.planner.network import Fabric
from homecluster.planner.training.communication import Communication, communication
from tests.builders import cluster, device, node

PARAMETERS = 10_000_000
G = 2 * PARAMETERS
"""Gradients in bytes: 20 MB, a fifth of a second on the wire."""


def sent(
    stage: int,
    accumulation: int = 1,
    *,
    trainable: int = PARAMETERS,
    weights_bytes: int = G,
    kind: DeviceKind = DeviceKind.CUDA,
    small_tensors: int = 0,
) -> Communication:
    home = cluster(*(node(name, device(name, kind=kind)) for name in ("a", "b")))
    return communication(
        Fabric(home),
        home.devices(),
        stage=stage,
        trainable=trainable,
        weights_bytes=weights_bytes,
        layers=10,
        accumulation=accumulation,
        small_tensors=small_tensors,
    )


def test_plain_data_parallel_all_reduces_the_gradients_once() -> None:
    """2 (n-1)/n = 1 for a pair: 20 MB each way at 100 MB/s."""
    assert sent(0).while_computing.transfer_s == pytest.approx(0.2)
    assert sent(0).afterwards.transfer_s == 0
    assert sent(0).sent_bytes == G


@pytest.mark.parametrize("stage", [0, 1])
def test_accumulation_costs_stages_0_and_1_nothing(stage: int) -> None:
    assert sent(stage, 8).while_computing == sent(stage).while_computing


def test_stage_2_reduces_every_micro_step() -> None:
    assert sent(2, 8).while_computing.transfer_s == pytest.approx(8 * 0.2)


@pytest.mark.parametrize("stage", [1, 2])
def test_the_updated_weights_are_gathered_once(stage: int) -> None:
    """Half of an all-reduce of as many bytes, after the optimiser."""
    assert sent(stage, 4).afterwards.transfer_s == pytest.approx(0.1)


def test_stage_3_gathers_weights_and_scatters_gradients() -> None:
    """2 P elements, each (n-1)/n over the wire: 2 x 20 MB / 2 = 20 MB per micro-step."""
    assert sent(3, 4).while_computing.transfer_s == pytest.approx(4 * 0.2)
    assert sent(3, 4).sent_bytes == 4 * 20_000_000


def test_gloo_scatters_by_an_all_reduce_of_the_whole() -> None:
    """Processors: 20 MB / 2 of weights and 20 MB of gradients."""
    assert sent(3, kind=DeviceKind.CPU).sent_bytes == 30_000_000
    assert sent(3, kind=DeviceKind.CPU).while_computing.transfer_s == pytest.approx(0.3)


def test_what_may_not_stay_gathered_is_gathered_again_for_the_way_back() -> None:
    """Nothing trained, so only weights: half of them once, and of four billion twice."""
    few, many = (2 * count * LIVE_PARAMETERS for count in (1, 4))
    assert sent(3, trainable=0, weights_bytes=few).sent_bytes == few / 2
    assert sent(3, trainable=0, weights_bytes=many).sent_bytes == many


def test_adapters_are_small_and_kept_whole_in_stage_3() -> None:
    """They are gathered once, after the optimiser."""
    told = sent(3, 4, trainable=PARAMETERS // 100)
    assert told.afterwards.transfer_s == pytest.approx(0.001)


@pytest.mark.parametrize(("stage", "sums"), [(0, 1), (1, 3), (2, 3), (3, 2)])
def test_a_few_bytes_cost_a_round_trip_each_time(stage: int, sums: int) -> None:
    """Of 1 ms; stages 1 and 2 gather a twentieth of a second of weights beside them, in one message of half a turn."""
    launched_s = 60e-6
    gathered_s = 0.5 * (1e-3 + launched_s) if stage in {1, 2} else 0.0
    expected = sums * (1e-3 + launched_s) + gathered_s
    assert sent(stage).afterwards.latency_s == pytest.approx(expected)


def test_stage_3_gathers_its_small_tensors_one_by_one() -> None:
    """Half a round trip each."""
    more = sent(3, small_tensors=100).afterwards.latency_s - sent(3).afterwards.latency_s
    assert more == pytest.approx(100 * 0.5e-3)


def test_adapters_send_only_themselves() -> None:
    assert sent(0, trainable=PARAMETERS // 100).sent_bytes == G // 100


def test_one_device_sends_nothing() -> None:
    home = cluster(node("a"))
    alone = communication(
        Fabric(home), home.devices(), stage=0, trainable=PARAMETERS, weights_bytes=G, layers=10, accumulation=1, small_tensors=9
    )  # fmt: skip
    assert alone.sent_bytes == 0
    assert alone.while_computing.total_s == 0
