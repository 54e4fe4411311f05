"""What each ZeRO stage sends, over two round PCs: 1 ms and 100 MB/s."""

from __future__ import annotations

import pytest

from homecluster.planner.network import Fabric
from homecluster.planner.training.communication import Communication, communication
from tests.builders import cluster, node

PARAMETERS = 10_000_000
G = 2 * PARAMETERS
"""Gradients in bytes: 20 MB, a fifth of a second on the wire."""


def sent(stage: int, accumulation: int = 1, trainable: int = PARAMETERS) -> Communication:
    home = cluster(node("a"), node("b"))
    return communication(
        Fabric(home),
        home.devices(),
        stage=stage,
        trainable=trainable,
        weights_bytes=2 * PARAMETERS,
        layers=10,
        accumulation=accumulation,
    )


def test_plain_data_parallel_all_reduces_the_gradients_once() -> None:
    """2 (n-1)/n = 1 for a pair: 20 MB each way at 100 MB/s."""
    assert sent(0).while_computing.transfer_s == pytest.approx(0.2)
    assert sent(0).afterwards.total_s == 0
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


def test_stage_3_gathers_weights_twice_and_scatters_gradients() -> None:
    """3 P elements, each (n-1)/n over the wire: 3 x 20 MB / 2 = 30 MB per micro-step."""
    assert sent(3, 4).while_computing.transfer_s == pytest.approx(4 * 0.3)
    assert sent(3, 4).sent_bytes == 4 * 30_000_000


def test_stage_3_gathers_frozen_weights_too() -> None:
    """Nothing trained: still 2 x 20 MB / 2 of weights."""
    assert sent(3, trainable=0).sent_bytes == G


def test_adapters_send_only_themselves() -> None:
    assert sent(0, trainable=PARAMETERS // 100).sent_bytes == G // 100


def test_one_device_sends_nothing() -> None:
    home = cluster(node("a"))
    alone = communication(
        Fabric(home), home.devices(), stage=0, trainable=PARAMETERS, weights_bytes=G, layers=10, accumulation=1
    )  # fmt: skip
    assert alone.sent_bytes == 0
    assert alone.while_computing.total_s == 0
