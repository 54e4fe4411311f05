"""ZeRO's memory, by the paper's own figures and by DeepSpeed's own functions."""

from __future__ import annotations

import pytest

from homecluster.domain.training import Offload
from homecluster.planner.training.model_states import STAGES, states, zero_memory

PARAMETERS = 7_500_000_000


def test_the_papers_figure_1_is_reproduced() -> None:
    """7.5 B parameters, 64 GPUs: 120, 31.4, 16.6 and 1.9 GB."""
    shown = [round(row.paper_bytes / 1e9, 1) for row in zero_memory(PARAMETERS, 64)]
    assert shown == [120.0, 31.4, 16.6, 1.9]


def test_deepspeeds_estimators_count_18_bytes_per_shared_parameter() -> None:
    """Stage 2: 2 x 7.5 + 18 x 7.5 / 64 = 17.1 GB; stage 3 beside the largest layer: 18 x 7.5 / 64 = 2.1 GB."""
    rows = zero_memory(PARAMETERS, 64)
    assert rows[2].deepspeed_bytes == pytest.approx(2 * 7.5e9 + 18 * 7.5e9 / 64)
    assert rows[3].deepspeed_bytes == pytest.approx(18 * 7.5e9 / 64)


def test_one_device_shares_with_nobody() -> None:
    assert len({row.paper_bytes for row in zero_memory(PARAMETERS, 1)}) == 1


def test_every_stage_holds_less_than_the_one_before() -> None:
    rows = zero_memory(PARAMETERS, 8)
    assert [row.paper_bytes for row in rows] == sorted(
        (row.paper_bytes for row in rows), reverse=True
    )
    assert [row.stage for row in rows] == list(STAGES)


def held(stage: int, offload: Offload = Offload.NONE, devices: int = 4) -> tuple[int, ...]:
    made = states(
        weights_bytes=2000,
        trainable=1000,
        largest_layer_bytes=100,
        devices=devices,
        devices_of_node=1,
        stage=stage,
        offload=offload,
    )
    return (made.weights_bytes, made.gradients_bytes, made.optimizer_bytes, made.host_bytes)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (0, (2000, 2000, 16_000, 0)),
        (1, (2000, 2000, 4000, 0)),
        (2, (2000, 500, 4000, 0)),
        (3, (500 + 2000, 500, 4000, 0)),  # and all of them gathered, as they are few
    ],
)
def test_each_stage_shares_one_thing_more(stage: int, expected: tuple[int, ...]) -> None:
    assert held(stage) == expected


def test_offloading_the_optimiser_leaves_the_weights_on_the_card() -> None:
    """Host: max(4 x 1000, 16 x 1000 / 4) x 1.5 = 6000 B, as DeepSpeed's estimator counts."""
    assert held(2, Offload.OPTIMIZER) == (2000, 0, 0, 6000)


def test_offloading_the_weights_too_leaves_what_is_gathered() -> None:
    """The share of the weights, 2000 / 4 x 1.5, goes to the host as well."""
    assert held(3, Offload.PARAMETERS) == (2000, 0, 0, 6750)
