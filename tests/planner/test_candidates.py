from dataclasses import replace
from typing import Any

from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from tests.builders import cluster, device, link, model, node

GPT2 = model("gpt2")


def shapes(plans: PlanSet) -> set[tuple[int, int, int]]:
    """(tensor, pipeline, copies) of every plan."""
    return {
        (p.layout.tensor_parallel, p.layout.pipeline_parallel, len(p.layout.replicas))
        for p in plans.plans
    }


def planned(
    home: Cluster, name: str = "gpt2", workload: Serve | None = None, **pins: Any
) -> PlanSet:
    return plan(home, model(name), workload or Serve(), Pins(**pins))


def test_cards_of_one_pc_that_differ_in_free_memory_still_work_together() -> None:
    """The first card of a desktop holds its screen: less is free there, and it is the same card otherwise."""
    busy, idle = device(index=0, memory_free_bytes=20 * GIB), device(index=1)
    assert (2, 1, 1) in shapes(planned(cluster(node("a", busy, idle)), "llama-2-13b"))


def test_a_tensor_parallel_group_never_mixes_compute_capabilities() -> None:
    old, new = device(index=0, compute_capability=(8, 6)), device(index=1)
    assert not any(tensor > 1 for tensor, _, _ in shapes(planned(cluster(node("a", old, new)))))


def test_unlike_cards_of_one_pc_each_serve_a_copy() -> None:
    old, new = device(index=0, compute_capability=(8, 6)), device(index=1)
    home = cluster(node("a", old, new))
    assert (1, 1, 2) in shapes(planned(home, workload=Serve(concurrent_requests=8)))


def test_the_pc_with_a_matching_card_is_found_though_its_other_card_is_stronger() -> None:
    strong = device("a", 0, compute_capability=(8, 9), memory_bandwidth_bytes_per_s=2e12)
    weak = device("a", 1, compute_capability=(8, 6))
    home = cluster(node("a", strong, weak), node("b", device("b", compute_capability=(8, 6))))
    plans = [p for p in planned(home, tensor_parallel=2).plans if len(p.nodes) == 2]
    assert [set(p.layout.devices) for p in plans] == [{"a/cuda:1", "b/cuda:0"}]


def test_more_stages_than_layers_are_refused_and_not_replaced_by_something_else() -> None:
    home = cluster(*(node(name) for name in "abcd"))
    tiny = replace(GPT2, layers=2)
    plans = plan(home, tiny, Serve(), Pins(pipeline_parallel=3))
    assert not plans.plans
    assert [r.rule for r in plans.rejections] == ["layers"]


def test_a_twin_that_holds_no_second_copy_is_not_given_one() -> None:
    """The second card is almost full: two copies in this PC would need memory that is not there."""
    full = device(index=1, memory_free_bytes=1 * GIB)
    plans = planned(cluster(node("a", device(index=0), full)), "llama-3-8b")
    assert shapes(plans) == {(1, 1, 1)}


def test_three_copies_can_be_pinned_on_two_pcs_of_two_cards() -> None:
    pcs = [node(name, device(name, 0), device(name, 1)) for name in "ab"]
    plans = planned(cluster(*pcs), replicas=3)
    assert shapes(plans) == {(1, 1, 3)}


def test_copies_over_pairs_of_pcs_are_found_though_one_copy_over_all_is_faster() -> None:
    """13 B in bf16 are 26 GB: two PCs of 24 GiB hold a copy, four hold two."""
    home = cluster(*(node(name) for name in "abcd"), bandwidth_bytes_per_s=1e9, latency_s=1e-5)
    plans = planned(home, "llama-2-13b", Serve(concurrent_requests=64))
    assert any(len(p.layout.replicas) == 2 and len(p.nodes) == 4 for p in plans.plans)


def test_choices_of_alike_pcs_with_links_in_another_pattern_are_not_mistaken_for_one_another() -> (
    None
):
    """Six PCs, three fast cables: a-b-c-a is a triangle, a-d, a-e, a-f a star; one pipeline fits the star worse."""
    fast = dict.fromkeys([("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("d", "f")], 1e-4)
    fast |= {(b, a): s for (a, b), s in fast.items()}
    names = "abcdef"
    home = Cluster(
        nodes=tuple(node(name) for name in names),
        links=tuple(
            link(a, b, latency_s=fast.get((a, b), 5e-3)) for a in names for b in names if a != b
        ),
    )
    three = [p for p in planned(home, pipeline_parallel=3).plans if len(p.nodes) == 3]
    assert set(three[0].nodes) == {"a", "b", "c"}


def test_the_pc_with_the_least_host_overhead_schedules_a_copy_wherever_it_stands_in_the_document() -> (
    None
):
    quick = device("quick", step_overhead_s=1e-4)
    pair = [
        p
        for p in planned(cluster(node("slow"), node("quick", quick))).plans
        if len(p.layout.devices) == 2
    ]
    assert {p.layout.devices[0] for p in pair if len(p.layout.replicas) == 1} == {"quick/cuda:0"}


def test_no_copy_mixes_cards_and_processors() -> None:
    pc = node("a", device("a"), device("a", kind=DeviceKind.CPU))
    for one in planned(cluster(pc, node("b", device("b", kind=DeviceKind.CPU)))).plans:
        for copy in one.layout.replicas:
            assert len({d.split("/")[1].split(":")[0] for s in copy for d in s.devices}) == 1


def eight_unlike(index: int) -> Device:
    return device(
        f"n{index}",
        memory_bandwidth_bytes_per_s=1e12 - index * 1e10,
        step_overhead_s=1e-3 + index * 1e-5,
    )


def test_a_pair_is_costed_once_where_every_pc_and_link_is_alike() -> None:
    home = cluster(*(node(f"n{i}") for i in range(8)))
    spanning = [p for p in planned(home).plans if len(p.nodes) == 2 and len(p.layout.replicas) == 1]
    assert {p.nodes for p in spanning} == {("n0", "n1")}


def test_every_pair_is_costed_where_no_two_pcs_are_alike() -> None:
    home = cluster(*(node(f"n{i}", eight_unlike(i)) for i in range(8)))
    spanning = [p for p in planned(home).plans if len(p.nodes) == 2 and len(p.layout.replicas) == 1]
    assert len({frozenset(p.nodes) for p in spanning}) == 28
