"""What must hold for every plan of every model on every cluster."""

import math
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from homecluster.domain.estimate import Estimate, Interval
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import BreakEvenState, PlanSet, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.units import GIB
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.break_even import SLOWEST_RATE, SLOWEST_RTT_S
from homecluster.planner.estimate import Estimator
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.what_if import with_links
from tests.builders import cluster, model, node
from tests.strategies import WORKLOADS, clusters, links, models, nodes, renamed

LAW = settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)


def planned(cluster: Cluster, spec: ModelSpec, workload: Serve) -> PlanSet:
    return plan(cluster, spec, workload, Pins())


def intervals(estimate: Estimate) -> list[Interval]:
    return [
        estimate.output_tokens_per_s,
        estimate.total_tokens_per_s,
        estimate.requests_per_s,
        estimate.first_token_s,
        estimate.token_interval_s,
        estimate.start_up_s,
    ]


@LAW
@given(clusters(), models(), WORKLOADS)
def test_the_terms_of_every_plan_add_up_to_its_token_interval(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    for one in planned(cluster, spec, workload).plans:
        seconds = [part for _, part in one.estimate.terms.parts()]
        assert min(seconds) >= 0
        assert sum(seconds) == pytest.approx(one.estimate.token_interval_s.mid, rel=1e-9)


@LAW
@given(clusters(), models(), WORKLOADS)
def test_every_interval_is_ordered_positive_and_finite(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    for one in planned(cluster, spec, workload).plans:
        for interval in intervals(one.estimate):
            assert 0 <= interval.low <= interval.mid <= interval.high
            assert interval.mid > 0
            assert math.isfinite(interval.high)


@LAW
@given(clusters(), models(), WORKLOADS)
def test_memory_parts_of_every_plan_stay_within_the_capacity(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    for one in planned(cluster, spec, workload).plans:
        assert one.estimate.kv_cache_tokens >= workload.context_tokens
        for use in one.estimate.memory:
            held = use.weights_bytes + use.kv_cache_bytes + use.activations_bytes
            assert min(use.weights_bytes, use.kv_cache_bytes, use.activations_bytes) > 0
            assert held + use.overhead_bytes <= use.capacity_bytes


@LAW
@given(clusters(), models(), WORKLOADS)
def test_stages_cover_every_layer_once_and_no_device_is_used_twice(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    for one in planned(cluster, spec, workload).plans:
        assert len(set(one.layout.devices)) == len(one.layout.devices)
        for copy in one.layout.replicas:
            held = [n for s in copy for n in range(s.layer_start, s.layer_stop)]
            assert held == list(range(spec.layers))


@LAW
@given(clusters(), models(), WORKLOADS)
def test_no_plan_and_no_refusal_is_told_twice(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    plans = planned(cluster, spec, workload)
    layouts = [one.layout for one in plans.plans]
    assert len(set(layouts)) == len(layouts)
    assert len(set(plans.rejections)) == len(plans.rejections)


@LAW
@given(clusters(most=3), models(), WORKLOADS)
def test_planning_twice_gives_the_same_answer(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    assert planned(cluster, spec, workload) == planned(cluster, spec, workload)


@LAW
@given(clusters(most=4), models(), WORKLOADS, st.randoms(use_true_random=False))
def test_the_order_of_pcs_and_links_in_the_document_changes_nothing(
    cluster: Cluster, spec: ModelSpec, workload: Serve, shuffler
) -> None:
    nodes, links = list(cluster.nodes), list(cluster.links)
    shuffler.shuffle(nodes)
    shuffler.shuffle(links)
    other = planned(Cluster(nodes=tuple(nodes), links=tuple(links)), spec, workload)
    one = planned(cluster, spec, workload)
    assert one.verdict == other.verdict
    assert one.plans == other.plans


@st.composite
def a_layout(draw: st.DrawFn) -> tuple[Cluster, ModelSpec, Serve, Layout]:
    """A plan of a random problem, to be estimated again under changed facts."""
    cluster, spec, workload = draw(clusters(most=3)), draw(models()), draw(WORKLOADS)
    plans = planned(cluster, spec, workload).plans
    assume(plans)
    return cluster, spec, workload, draw(st.sampled_from(plans)).layout


def cost(cluster: Cluster, spec: ModelSpec, workload: Serve, layout: Layout) -> Estimate:
    found = Estimator(cluster, spec, workload).estimate(layout)
    assert isinstance(found, Estimate)
    return found


def never_faster(before: Estimate, after: Estimate) -> None:
    assert after.output_tokens_per_s.mid <= before.output_tokens_per_s.mid * (1 + 1e-9)
    assert after.start_up_s.mid >= before.start_up_s.mid * (1 - 1e-9)


@LAW
@given(
    a_layout(),
    st.sampled_from(("latency_s", "jitter_s", "loss_ratio", "bandwidth_bytes_per_s")),
    st.floats(1.0, 50.0),
    st.integers(0, 20),
)
def test_no_layout_gets_faster_when_a_link_gets_worse(
    problem: tuple[Cluster, ModelSpec, Serve, Layout], field: str, factor: float, which: int
) -> None:
    cluster, spec, workload, layout = problem
    assume(cluster.links)
    chosen = cluster.links[which % len(cluster.links)]
    value = getattr(chosen, field)
    if field == "bandwidth_bytes_per_s":
        value /= factor
    else:
        value = min(0.9, value * factor + 1e-4 * (factor - 1))
    links = tuple(
        replace(
            link, **{field: max(value, getattr(link, field)) if field == "loss_ratio" else value}
        )
        if link is chosen
        else link
        for link in cluster.links
    )
    before = cost(cluster, spec, workload, layout)
    never_faster(before, cost(replace(cluster, links=links), spec, workload, layout))


@LAW
@given(
    a_layout(),
    st.sampled_from(
        (
            "memory_bandwidth_bytes_per_s",
            "peak_flop_per_s",
            "step_overhead_s",
            "layer_overhead_s",
            "sequence_overhead_s",
        )
    ),
    st.floats(1.0, 50.0),
    st.integers(0, 20),
)
def test_no_layout_gets_faster_when_a_device_gets_slower(
    problem: tuple[Cluster, ModelSpec, Serve, Layout], field: str, factor: float, which: int
) -> None:
    cluster, spec, workload, layout = problem
    device = cluster.device(layout.devices[which % len(layout.devices)])
    value = getattr(device, field)
    if field == "peak_flop_per_s":
        slower = tuple((dtype, rate / factor) for dtype, rate in value)
    elif field == "memory_bandwidth_bytes_per_s":
        slower = value / factor
    else:
        slower = value * factor + 1e-5 * (factor - 1)
    worse = with_device(cluster, device.id, **{field: slower})
    before = cost(cluster, spec, workload, layout)
    never_faster(before, cost(worse, spec, workload, layout))


def with_device(cluster: Cluster, device_id: str, **changes: Any) -> Cluster:
    return replace(
        cluster,
        nodes=tuple(
            replace(
                node,
                devices=tuple(
                    replace(one, **changes) if one.id == device_id else one for one in node.devices
                ),
            )
            for node in cluster.nodes
        ),
    )


@LAW
@given(clusters(most=3), models(), WORKLOADS, st.integers(0, 20), st.integers(1, 64 * GIB))
def test_more_memory_never_turns_a_plan_into_a_rejection(
    cluster: Cluster, spec: ModelSpec, workload: Serve, which: int, more: int
) -> None:
    before = planned(cluster, spec, workload)
    assume(before.plans)
    device = cluster.devices()[which % len(cluster.devices())]
    richer = with_device(
        cluster,
        device.id,
        memory_total_bytes=device.memory_total_bytes + more,
        memory_free_bytes=device.memory_free_bytes + more,
    )
    estimator = Estimator(richer, spec, workload)
    for one in before.plans:
        assert isinstance(estimator.estimate(one.layout), Estimate)
    assert planned(richer, spec, workload).plans


@LAW
@given(clusters(), models(), WORKLOADS, st.integers(0, 20))
def test_one_more_pc_never_makes_the_fastest_plan_slower(
    cluster: Cluster, spec: ModelSpec, workload: Serve, which: int
) -> None:
    assume(len(cluster.nodes) > 1)
    gone = cluster.nodes[which % len(cluster.nodes)].id
    fewer = Cluster(
        nodes=tuple(node for node in cluster.nodes if node.id != gone),
        links=tuple(link for link in cluster.links if gone not in (link.src, link.dst)),
    )
    workload = replace(workload, goal=Goal.THROUGHPUT)
    assert fastest(cluster, spec, workload) >= fastest(fewer, spec, workload) * (1 - 1e-9)


def fastest(cluster: Cluster, spec: ModelSpec, workload: Serve) -> float:
    """Tokens/s of the fastest plan; 0 where nothing fits."""
    plans = planned(cluster, spec, workload).plans
    return max((one.estimate.output_tokens_per_s.mid for one in plans), default=0.0)


@LAW
@given(clusters(), models(), WORKLOADS)
def test_the_verdict_agrees_with_the_plans(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    plans = planned(cluster, spec, workload)
    verdict = plans.verdict
    alone = [p.estimate.output_tokens_per_s.mid for p in plans.plans if len(p.nodes) == 1]
    beyond = [p.estimate.output_tokens_per_s.mid for p in plans.plans if len(p.nodes) > 1]
    match verdict.kind:
        case VerdictKind.CANNOT_RUN:
            assert not plans.plans
        case VerdictKind.MULTI_NODE_REQUIRED:
            assert beyond
            assert not alone
        case VerdictKind.SINGLE_NODE:
            assert alone
            assert max(beyond, default=0) <= 1.05 * max(alone) * (1 + 1e-6)
        case VerdictKind.REPLICAS | VerdictKind.MULTI_NODE_WORTH_IT:
            assert max(beyond) > 1.05 * max(alone)
    if alone and beyond:
        assert verdict.gain == pytest.approx(max(beyond) / max(alone))
    else:
        assert verdict.gain is None
    if not plans.plans:
        assert plans.rejections


@LAW
@given(clusters(), models(), WORKLOADS)
def test_the_best_plan_for_throughput_is_what_the_verdict_says(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    plans = planned(cluster, spec, replace(workload, goal=Goal.THROUGHPUT))
    assume(plans.plans)
    best = plans.plans[0]
    spans = any(
        len({d.split("/")[0] for s in copy for d in s.devices}) > 1 for copy in best.layout.replicas
    )
    expected = {
        VerdictKind.SINGLE_NODE: (False, False),
        VerdictKind.REPLICAS: (True, False),
        VerdictKind.MULTI_NODE_WORTH_IT: (True, True),
        VerdictKind.MULTI_NODE_REQUIRED: (True, spans),
    }[plans.verdict.kind]
    assert (len(best.nodes) > 1, spans) == expected


@LAW
@given(clusters(most=3), models(), WORKLOADS)
def test_break_even_is_null_exactly_where_no_link_decides(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    even = planned(cluster, spec, workload).verdict.break_even
    for value in (even.rtt_s, even.bandwidth_bytes_per_s):
        assert value is None or (math.isfinite(value) and value > 0)
    if even.state is not BreakEvenState.AT:
        assert even.rtt_s is None
        assert even.bandwidth_bytes_per_s is None


@st.composite
def linked_pairs(draw: st.DrawFn) -> Cluster:
    """Two PCs that differ only by name, and every link between them known: here a link may decide."""
    one = draw(nodes("desk"))
    there, back = draw(links("desk", "laptop")), draw(links("laptop", "desk"))
    return Cluster(nodes=(one, renamed(one, "laptop")), links=(there, back))


@LAW
@given(linked_pairs(), models(), WORKLOADS)
def test_at_the_break_even_the_pair_is_as_fast_as_the_baseline(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    plans = planned(cluster, spec, workload)
    even = plans.verdict.break_even
    alone = [p.estimate.output_tokens_per_s.mid for p in plans.plans if len(p.nodes) == 1]
    for rtt_s, bandwidth in ((even.rtt_s, None), (None, even.bandwidth_bytes_per_s)):
        if rtt_s is None and bandwidth is None:
            continue
        there = with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)
        pair = [
            p.estimate.output_tokens_per_s.mid
            for p in planned(there, spec, workload).plans
            if len(p.nodes) == 2 and len(p.layout.replicas) == 1
        ]
        assert max(pair) >= 0.99 * max(alone)
        if rtt_s != SLOWEST_RTT_S and bandwidth != SLOWEST_RATE:
            assert max(pair) <= 1.01 * max(alone)


def test_a_large_model_on_two_like_pcs_has_a_break_even_that_the_law_above_can_judge() -> None:
    home = cluster(node("a"), node("b"), bandwidth_bytes_per_s=2e9)
    even = planned(home, model("llama-3-8b"), Serve()).verdict.break_even
    assert even.state is BreakEvenState.AT
    assert even.rtt_s is not None


@LAW
@given(clusters(most=2), models(), WORKLOADS)
def test_requests_and_tokens_per_second_say_the_same(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> None:
    for one in planned(cluster, spec, workload).plans:
        estimate = one.estimate
        requests = estimate.requests_per_s.mid
        assert estimate.output_tokens_per_s.mid == pytest.approx(requests * workload.output_tokens)
        assert estimate.total_tokens_per_s.mid == pytest.approx(
            requests * (workload.output_tokens + workload.prompt_tokens)
        )
        if workload.request_rate_per_s is not None:
            assert requests <= workload.request_rate_per_s * (1 + 1e-9)
