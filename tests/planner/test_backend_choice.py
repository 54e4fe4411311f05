"""Backends by rule: whatever is chosen puts every stage on the PC where the plan has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy
from homecluster.domain.plan import Backend
from homecluster.domain.workload import Serve
from homecluster.planner.backend_choice import (
    Chosen,
    choose_backend,
    nodes_of_ranks,
    ray_order,
    runs_of,
)
from homecluster.planner.plan import plan
from homecluster.planner.priors import RAY_START_S
from homecluster.planner.problem import Pins
from homecluster.planner.ranking import joined_by
from homecluster.planner.rules import Refusal
from tests.builders import cluster, copy_of, device, model, node


def copy(nodes: str, partition: tuple[int, ...] = (12,)) -> Copy:
    """Ranks on these PCs, as many in each stage."""
    each = len(nodes) // len(partition)
    devices = [f"{name}/cpu:{place}" for place, name in enumerate(nodes)]
    stages = [tuple(devices[n * each : (n + 1) * each]) for n in range(len(partition))]
    return copy_of(model(), *zip(partition, stages, strict=True))


def at(**addresses: str) -> dict[NodeId, str]:
    return {NodeId(name): address for name, address in addresses.items()}


def rule(found: Chosen | Refusal) -> tuple[str, str]:
    return (found.backend if isinstance(found, Chosen) else "refused", found.rule)


@pytest.mark.parametrize(
    ("nodes", "partition", "expected"),
    [
        ("aa", (12,), ("none", "one-pc")),
        ("ab", (12,), ("mp", "mp-equal-ranks")),
        ("ab", (4, 8), ("mp", "mp-equal-ranks")),
        ("aabb", (6, 6), ("mp", "mp-equal-ranks")),
        ("abc", (4, 4, 4), ("mp", "mp-equal-ranks")),
    ],
)
def test_equally_many_neighbouring_ranks_run_under_vllms_own_mode(
    nodes: str, partition: tuple[int, ...], expected: tuple[str, str]
) -> None:
    assert rule(choose_backend(copy(nodes, partition))) == expected


def test_unequal_ranks_run_under_ray_where_its_order_is_the_plans() -> None:
    fits = copy("abb", (4, 4, 4))
    assert rule(choose_backend(fits)) == ("ray", "ray-order-agrees")
    assert rule(choose_backend(fits, at(a="10.0.0.3", b="10.0.0.2"))) == (
        "ray", "ray-order-agrees",
    )  # fmt: skip


def test_ray_is_refused_where_it_would_put_stages_elsewhere() -> None:
    wrong = copy("abbc", (3, 3, 3, 3))
    assert rule(choose_backend(wrong)) == ("refused", "ray-stage-order")
    swapped, addresses = copy("acb", (1, 4, 7)), at(a="10.0.0.1", b="10.0.0.2", c="10.0.0.3")
    assert rule(choose_backend(swapped, addresses, Backend.RAY)) == ("refused", "ray-stage-order")
    assert rule(choose_backend(swapped, addresses)) == ("mp", "mp-equal-ranks")


def test_a_placement_that_neither_keeps_is_refused_under_each() -> None:
    scattered = copy("aba", (4, 4, 4))
    assert rule(choose_backend(scattered, wanted=Backend.MP)) == ("refused", "mp-neighbours")
    assert rule(choose_backend(scattered)) == ("refused", "ray-stage-order")


def test_addresses_decide_between_equal_pcs_only_when_the_gang_starts() -> None:
    tied = copy("abbcc", (3, 3, 3, 2, 1))
    assert rule(choose_backend(tied)) == ("ray", "ray-order-unknown")
    assert rule(choose_backend(tied, at(b="10.0.0.2"))) == ("refused", "ray-order-unknown")
    assert rule(choose_backend(tied, at(b="10.0.0.2", c="10.0.0.3"))) == ("ray", "ray-order-agrees")
    assert rule(choose_backend(tied, at(b="10.0.0.3", c="10.0.0.2"))) == (
        "refused", "ray-stage-order",
    )  # fmt: skip


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.permutations(["10.0.0.2", "10.0.0.10", "10.0.0.3"]),
)
def test_whatever_is_chosen_keeps_the_placement(names: list[str], addresses: list[str]) -> None:
    known = at(**dict(zip("abc", addresses, strict=True)))
    wanted = copy("".join(names), (*(1,) * (len(names) - 1), 13 - len(names)))
    match choose_backend(wanted, known):
        case Chosen(backend=Backend.MP):
            each = names.count(names[0])
            assert all(names[i] == names[i - i % each] for i in range(len(names)))
            assert all(names.count(name) == each for name in names)
        case Chosen(backend=Backend.RAY):
            assert ray_order(runs_of(nodes_of_ranks(wanted)), known) == nodes_of_ranks(wanted)
        case Chosen(backend=Backend.NONE):
            assert len(set(names)) == 1
        case Refusal() as refused:
            assert refused.detail


def test_a_plan_says_by_which_rule_its_pcs_are_joined_and_keeps_unequal_stages_in_rays_order() -> (
    None
):
    """PC b has two cards and c one: Ray puts a, then c, then b, and so does the plan."""
    home = cluster(node("a"), node("b", device("b"), device("b", 1)), node("c"))
    pins = Pins(tensor_parallel=1, pipeline_parallel=4, replicas=1)
    (found,) = plan(home, model(), Serve(), pins).plans[:1]
    assert (found.backend, found.backend_rule) == (Backend.RAY, "ray-order-agrees")
    (stages,) = found.layout.replicas
    counts = [count for _, count in runs_of(nodes_of_ranks(stages))]
    assert counts[1:] == sorted(counts[1:])


def test_a_copy_that_ray_joins_also_waits_until_ray_is_there() -> None:
    home = cluster(node("a"), node("b"))
    by_mp = next(one for one in plan(home, model(), Serve(), Pins()).plans if one.backend == "mp")
    chosen = choose_backend(by_mp.layout.replicas[0], at(a="10.0.0.2", b="10.0.0.3"), Backend.RAY)
    assert isinstance(chosen, Chosen)
    by_ray = joined_by(by_mp, chosen)
    parts = dict(by_ray.estimate.start_up_parts)
    assert parts == {"starting Ray": RAY_START_S, **dict(by_mp.estimate.start_up_parts)}
    assert by_ray.estimate.start_up_s.mid == pytest.approx(sum(parts.values()))
    assert joined_by(by_ray, chosen) == by_ray
