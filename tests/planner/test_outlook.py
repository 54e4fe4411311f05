"""What would help, and from which link on several PCs pay."""

from itertools import pairwise

from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.planner.advice import advise
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.sensitivity import sensitivity
from tests.builders import cluster, device, model, node

GPT2, LLAMA = model("gpt2"), model("llama-3-8b")


def changes(home: Cluster, spec: ModelSpec, workload: Serve) -> dict[str, float | None]:
    given = advise(home, spec, workload, plan(home, spec, workload, Pins()))
    return {one.change: one.gain for one in given}


def two_pcs(**link: object) -> Cluster:
    return cluster(node("a"), node("b"), **link)


def test_a_cable_is_advised_where_a_hotspot_holds_a_large_model_back() -> None:
    """13 B need both cards; over the air every token waits for hundreds of messages."""
    home = two_pcs(latency_s=20e-3, bandwidth_bytes_per_s=2.5e6, medium="air")
    found = changes(home, model("llama-2-13b"), Serve())
    assert found["link"] is not None
    assert found["link"] > 5


def test_no_cable_is_advised_where_one_pc_is_best_anyway() -> None:
    home = two_pcs(latency_s=0.15e-3, bandwidth_bytes_per_s=1.2e8)
    assert "link" not in changes(home, GPT2, Serve())


def test_four_bits_are_advised_where_reading_weights_binds() -> None:
    gain = changes(cluster(node("a")), LLAMA, Serve())["quantization"]
    assert gain is not None
    assert 1.5 < gain < 4


def test_what_makes_a_model_run_at_all_has_no_gain_but_a_rate() -> None:
    home = cluster(node("a", device("a", memory_free_bytes=10 * GIB, memory_total_bytes=10 * GIB)))
    given = advise(home, LLAMA, Serve(), plan(home, LLAMA, Serve(), Pins()))
    assert [one.gain for one in given if one.change == "quantization"] == [None]


def test_more_requests_are_not_advised_for_an_open_loop() -> None:
    assert "concurrency" not in changes(cluster(node("a")), GPT2, Serve(request_rate_per_s=1.0))


def test_tokens_per_second_fall_down_the_table_and_rise_along_it() -> None:
    table = sensitivity(two_pcs(), GPT2, Serve())
    assert table is not None
    columns = list(zip(*table.tokens_per_s, strict=True))
    for row in table.tokens_per_s:
        assert all(less <= more * (1 + 1e-9) for less, more in pairwise(row))
    for column in columns:
        assert all(more >= less * (1 - 1e-9) for more, less in pairwise(column))
    assert columns[0][0] > columns[0][-1]
    assert table.alone_tokens_per_s is not None


def test_a_slow_pc_is_told_to_be_left_out_where_the_layout_is_forced_over_all() -> None:
    slow = node("b", device("b", memory_bandwidth_bytes_per_s=1e10))
    home = cluster(node("a"), slow)
    forced = plan(home, GPT2, Serve(), Pins(tensor_parallel=2))
    given = {one.text: one.gain for one in advise(home, GPT2, Serve(), forced)}
    assert (given["b left out"] or 0) > 2


def test_a_home_of_one_pc_has_no_table() -> None:
    assert sensitivity(cluster(node("a")), GPT2, Serve()) is None
