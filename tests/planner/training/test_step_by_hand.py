"""A step's time worked out by hand: arithmetic, optimiser, messages and what hides behind what."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import DType
from homecluster.domain.training import Method, Offload, Train
from homecluster.planner.network import Cost
from homecluster.planner.training import training_priors
from homecluster.planner.training.communication import Communication
from homecluster.planner.training.groups import groups
from homecluster.planner.training.plan import plan_training
from homecluster.planner.training.step import Share, StepTime, step_time
from homecluster.planner.training.work import (
    Pace,
    host_s,
    optimizer_s,
    pace,
    passes_per_step,
    sample_flop,
    step_flop,
)
from tests.builders import cluster, device, model, node

GPT2 = model("gpt2")
FLOP = 1024 * (2 * 123_653_376 + 18_874_368)
"""Per sample: 2 x (12 x 7,087,872 + 1,536 + 50,257 x 768) and 4 x 768 x 512 x 12 per token."""


def test_a_sample_of_gpt2_takes_272_gflop_forward() -> None:
    assert sample_flop(GPT2, 1024) == pytest.approx(FLOP)
    assert pytest.approx(272.6e9, rel=1e-3) == FLOP


@pytest.mark.parametrize(
    ("method", "recompute", "passes"),
    [(Method.FULL, False, 3), (Method.FULL, True, 4), (Method.LORA, False, 2), (Method.QLORA, True, 3)],
)  # fmt: skip
def test_frozen_weights_need_no_gradients_of_their_own(
    method: Method, recompute: bool, passes: int
) -> None:
    assert passes_per_step(method, recompute=recompute) == passes


def test_frozen_weights_save_one_product_and_adapters_add_three() -> None:
    """3 passes less 0.6 x 2 x 1024 x 123.7 M, and 6 x 1024 x 2.36 M."""
    expected = 3 * FLOP - 0.6 * 2 * 1024 * 123_653_376 + 6 * 1024 * 2_359_296
    assert step_flop(GPT2, Train(method=Method.LORA), recompute=False) == pytest.approx(expected)


def test_stage_3_stops_at_every_module() -> None:
    """12 layers of 13 modules and of 4 adapters of 10."""
    lora = Train(method=Method.LORA)
    more_s = host_s(GPT2, lora, 3) - host_s(GPT2, lora, 2)
    assert more_s == pytest.approx(12 * (13 + 40) * training_priors.GATHERING_MODULE_S)


def test_a_round_card_computes_a_sample_in_20_ms() -> None:
    """3 x 272.6 GFLOP at 40 % of 100 TFLOP/s, as nothing is measured."""
    made = pace(GPT2, Train(), device(), DType.BF16, recompute=False)
    assert made.sample_s == pytest.approx(3 * FLOP / 0.4e14)
    assert made.overhead_s == pytest.approx(3 * 12 * 1e-5)


def test_adam_moves_30_bytes_per_parameter() -> None:
    """At 80 % of 1 TB/s."""
    assert optimizer_s(device(), 1e9) == pytest.approx(30e9 / 0.8e12)


def timed(stage: int, *, overlap: bool, accumulation: int = 2) -> StepTime:
    """Two like PCs, a second of arithmetic per micro-step, one second of messages and half of it after."""
    home = cluster(node("a"), node("b"))
    one = Pace(sample_s=0.25, overhead_s=0.0, memory_s=0.0, hides_memory=True)
    shares = [
        Share(device=where.devices[0], node=where, pace=one, samples=4) for where in home.nodes
    ]
    messages = Communication(
        while_computing=Cost(transfer_s=1.0),
        first_wait_s=0.1,
        afterwards=Cost(transfer_s=0.5),
        sent_bytes=1,
    )
    return step_time(
        shares,
        messages,
        stage=stage,
        offload=Offload.NONE,
        overlap=overlap,
        accumulation=accumulation,
        trainable=0,
        weights_bytes=0,
        backward_share=0.5,
        host_micro_step_s=0.01,
    )


def test_without_overlap_everything_adds_up() -> None:
    """2 micro-steps of 1 s, 1.5 s of messages, and the host's own work twice."""
    expected = 2.0 + 1.5 + 2 * 0.01
    assert timed(1, overlap=False).terms.total_s == pytest.approx(expected)


@pytest.mark.parametrize(
    ("stage", "window"),
    [(1, 0.5), (2, 1.0), (3, 2.0)],  # the last way back; every way back; all the arithmetic
)
def test_messages_hide_behind_the_arithmetic_that_is_beside_them(stage: int, window: float) -> None:
    """At most 0.9 s of the second: the last piece waits for the end. Computing takes 5 % longer meanwhile."""
    hidden = min(0.9, window * training_priors.OVERLAP_SLOWDOWN)
    assert timed(stage, overlap=True).hidden_s == pytest.approx(hidden)


def test_waiting_for_the_slowest_is_idle_time() -> None:
    home = cluster(
        node("a"), node("b", device("b", peak_flop_per_s=((DType.BF16, 5e13), (DType.FP16, 5e13))))
    )
    plan = next(
        plan
        for plan in plan_training(home, GPT2, Train(global_batch=2)).plans
        if len(plan.nodes) == 2
    )
    assert [samples for _, samples in plan.micro_batch] == [1, 1]
    assert plan.estimate.terms.idle_s == pytest.approx(plan.estimate.terms.compute_s / 3, rel=0.05)


def test_every_set_of_eight_unlike_pcs_is_looked_at() -> None:
    """8 alone and 247 sets of two or more."""
    home = cluster(*(node(name) for name in "abcdefgh"))
    assert len(groups(home)) == 8 + 247


def test_beyond_eight_pcs_pairs_and_the_fastest_are() -> None:
    home = cluster(*(node(f"n{index}") for index in range(10)))
    assert len(groups(home)) == 10 + 45 + 8
