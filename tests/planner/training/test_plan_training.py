"""Whole training plans: verdicts, terms, unequal devices, and laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.plan import BreakEvenState, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Method, Offload, Train, TrainPlanSet
from homecluster.domain.units import GIB
from homecluster.planner.training.plan import plan_training
from homecluster.planner.what_if import with_links
from tests.builders import cluster, device, model, node
from tests.strategies import clusters, models

FAST_RTT_S, FAST_RATE = 1e-6, 1e12


def card(name: str, flop_per_s: float = 1e14, **changes: Any) -> Device:
    return device(name, peak_flop_per_s=((DType.BF16, flop_per_s), (DType.FP16, flop_per_s)), **changes)  # fmt: skip


def planned(home: Cluster, name: str = "gpt2", **asked: Any) -> TrainPlanSet:
    return plan_training(home, model(name), Train(**asked))


def test_a_slow_link_makes_one_pc_best_and_says_what_link_would_pay() -> None:
    plans = planned(cluster(node("a"), node("b")))
    assert plans.verdict.kind is VerdictKind.SINGLE_NODE
    assert plans.verdict.gain is not None
    assert plans.verdict.gain < 1
    assert plans.verdict.break_even.state is BreakEvenState.AT
    even = plans.verdict.break_even.bandwidth_bytes_per_s
    assert even is not None
    better = with_links(cluster(node("a"), node("b")), rtt_s=None, bandwidth=even * 2)
    gain = planned(better).verdict.gain
    assert gain is not None
    assert gain > 1


def test_adapters_make_the_same_link_worth_it() -> None:
    """Full training of an 8B model moves 2,000 times what its adapters do."""
    home = cluster(node("a"), node("b"))
    plans = planned(home, "llama-3-8b", method=Method.LORA)
    assert plans.verdict.kind is VerdictKind.MULTI_NODE_WORTH_IT


def test_what_no_single_card_holds_is_sharded_over_pcs() -> None:
    """1.56 B parameters: 28 GB of states, over 24 GiB cards; no PC has memory to offload to."""
    small = {"ram_bytes": 8 * GIB}
    home = cluster(node("a", **small), node("b", **small), node("c", **small))
    plans = planned(home, "gpt2-xl")
    assert plans.verdict.kind is VerdictKind.MULTI_NODE_REQUIRED
    assert plans.plans[0].zero_stage > 0


def test_offloading_lets_one_pc_do_it_alone() -> None:
    plans = planned(cluster(node("a")), "gpt2-xl")
    assert plans.plans[0].offload is not Offload.NONE
    assert plans.plans[0].estimate.memory[0].host_bytes > 0


def test_what_nobody_can_hold_is_refused_with_the_bytes_missing() -> None:
    plans = planned(cluster(node("a"), node("b")), "llama-2-70b")
    assert plans.verdict.kind is VerdictKind.CANNOT_RUN
    assert plans.plans == ()
    assert all(one.shortfall_bytes for one in plans.rejections)


def test_an_8b_model_is_tuned_on_an_8_gb_card_by_qlora_only() -> None:
    home = cluster(node("a", device("a", memory_total_bytes=8 * GIB, memory_free_bytes=8 * GIB)))
    kinds = {
        method: planned(home, "llama-3-8b", method=method, sequence_tokens=256, global_batch=4)
        for method in Method
    }
    assert kinds[Method.QLORA].plans[0].offload is Offload.NONE
    assert kinds[Method.LORA].plans[0].offload is Offload.PARAMETERS
    assert kinds[Method.FULL].plans == ()


def test_unlike_devices_take_unlike_shares() -> None:
    home = cluster(
        node("a", card("a", 1e14)), node("b", card("b", 2.5e13)), bandwidth_bytes_per_s=1e11
    )
    plan = planned(home, global_batch=10, sequence_tokens=512).plans[0]
    assert dict(plan.micro_batch) == {"a/cuda:0": 8, "b/cuda:0": 2}


def test_terms_add_up_to_the_step() -> None:
    for plan in planned(cluster(node("a"), node("b"))).plans:
        assert plan.estimate.terms.total_s == pytest.approx(plan.estimate.step_s.mid)


def test_overlap_is_chosen_where_it_wins_and_not_on_a_cpu() -> None:
    fast = cluster(node("a"), node("b"), bandwidth_bytes_per_s=2e9)
    best = next(plan for plan in planned(fast).plans if len(plan.nodes) == 2)
    assert best.overlap
    assert best.estimate.hidden_s > 0
    slow = cluster(
        *(node(name, device(name, kind=DeviceKind.CPU)) for name in "ab"), bandwidth_bytes_per_s=2e9
    )
    assert not any(plan.overlap for plan in planned(slow).plans)


def test_recomputation_is_chosen_where_memory_is_short() -> None:
    tight = cluster(node("a", device("a", memory_total_bytes=4 * GIB, memory_free_bytes=4 * GIB)))
    plan = planned(tight, global_batch=4).plans[0]
    assert plan.recompute
    roomy = planned(cluster(node("a")), global_batch=4).plans[0]
    assert (roomy.recompute, roomy.gradient_accumulation) == (False, 1)


def test_gpus_and_cpus_do_not_train_together() -> None:
    home = cluster(node("a"), node("b", device("b", kind=DeviceKind.CPU)))
    assert all(len(plan.nodes) == 1 for plan in planned(home).plans)


def test_a_set_that_outnumbers_the_batch_is_refused() -> None:
    home = cluster(node("a"), node("b"), node("c"))
    plans = planned(home, global_batch=2)
    assert any(one.rule == "batch" and one.devices == 3 for one in plans.rejections)


def test_memory_of_every_plan_fits() -> None:
    for plan in planned(cluster(node("a"), node("b")), "gpt2-large").plans:
        assert all(use.used_bytes <= use.capacity_bytes for use in plan.estimate.memory)


WORKLOADS = st.builds(
    Train,
    sequence_tokens=st.sampled_from((16, 128, 512)),
    global_batch=st.sampled_from((1, 4, 12)),
    method=st.sampled_from(Method),
)


@settings(max_examples=25)
@given(clusters(most=3), models(), WORKLOADS)
def test_law_every_plan_shares_the_whole_batch_and_fits(home, spec, workload) -> None:
    plans = plan_training(home, spec, workload)
    for plan in plans.plans:
        shared = sum(samples for _, samples in plan.micro_batch) * plan.gradient_accumulation
        assert shared == workload.global_batch
        assert all(use.used_bytes <= use.capacity_bytes for use in plan.estimate.memory)
        assert plan.estimate.terms.total_s == pytest.approx(plan.estimate.step_s.mid)
    assert [plan.rank for plan in plans.plans] == list(range(1, len(plans.plans) + 1))
    assert (plans.verdict.kind is VerdictKind.CANNOT_RUN) == (not plans.plans)


@settings(max_examples=15)
@given(clusters(most=3), models(), WORKLOADS)
def test_law_a_better_link_never_slows_training(home, spec, workload) -> None:
    def best(where: Cluster) -> float:
        made = plan_training(where, spec, workload).plans
        return made[0].estimate.samples_per_s.mid if made else 0.0

    plain = replace(
        home, links=tuple(replace(link, all_reduce=(), medium=None) for link in home.links)
    )
    better = with_links(plain, rtt_s=FAST_RTT_S, bandwidth=FAST_RATE)
    assert best(better) >= best(plain) * (1 - 1e-9)
