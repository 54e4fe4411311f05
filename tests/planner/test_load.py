"""How requests spread over unlike copies, and what several of them deliver together."""

from dataclasses import replace
from itertools import pairwise

import pytest

from homecluster.domain.estimate import Estimate
from homecluster.domain.layout import Layout
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.planner.estimate import Estimator
from homecluster.planner.load import Response, closed_time_s, open_time_s, response
from tests.builders import cluster, copy_of, device, layout_of, model, node

GPT2 = model("gpt2")
ONE_AT_A_TIME = response([(1, 1.0), (4, 4.0)])
"""A second each, one after the other."""
TOGETHER = response([(1, 2.0), (4, 2.0)])
"""Two seconds, up to four at once; then they queue."""


def two_copies() -> Layout:
    return layout_of(copy_of(GPT2, (12, ("a/cuda:0",))), copy_of(GPT2, (12, ("b/cuda:0",))))


def rate(slowness: float, workload: Serve) -> float:
    """Output tokens per second of two copies, one of them beside a host so many times slower."""
    quick, slow = device("a"), device("b", sequence_overhead_s=1e-3 * slowness)
    home = cluster(node("a", replace(quick, sequence_overhead_s=1e-3)), node("b", slow))
    found = Estimator(home, GPT2, workload).estimate(two_copies())
    assert isinstance(found, Estimate)
    return found.output_tokens_per_s.mid


def test_one_copy_takes_what_its_curve_says() -> None:
    assert closed_time_s([ONE_AT_A_TIME], 3) == pytest.approx(3.0)
    assert closed_time_s([TOGETHER], 8) == pytest.approx(4.0)


def test_a_request_goes_where_it_is_answered_soonest() -> None:
    """Three clients: one alone takes 1 s, the next would take 2 s in either copy."""
    assert closed_time_s([ONE_AT_A_TIME, TOGETHER], 1) == pytest.approx(1.0)
    assert closed_time_s([ONE_AT_A_TIME, TOGETHER], 3) == pytest.approx(2.0)
    # 12 = T (one at a time) + 2 T (four in 2 s)
    assert closed_time_s([ONE_AT_A_TIME, TOGETHER], 12) == pytest.approx(4.0)


def test_requests_that_are_answered_together_do_not_count_before_their_time() -> None:
    """From the second on all are answered after 2 s: three clients wait for it, and so do 4 requests/s."""
    batched = response([(1, 1.0), (2, 2.0), (16, 2.0)])
    assert closed_time_s([batched], 3) == pytest.approx(2.0)
    assert open_time_s([batched], 4.0) == pytest.approx(2.0)


def test_an_open_loop_is_kept_up_with_or_not() -> None:
    """Capacity: 1 + 2 requests per second."""
    assert open_time_s([ONE_AT_A_TIME, TOGETHER], 0.5) == pytest.approx(1.0)
    assert open_time_s([ONE_AT_A_TIME, TOGETHER], 2.9) == pytest.approx(2.0)
    assert open_time_s([ONE_AT_A_TIME, TOGETHER], 3.1) is None


def test_a_time_that_falls_with_more_requests_is_raised() -> None:
    assert response([(1, 2.0), (2, 1.0), (4, 3.0)]) == Response(
        requests=(1, 2, 4), time_s=(2.0, 2.0, 3.0)
    )


@pytest.mark.parametrize("requests", [1, 2, 5, 33])
def test_two_copies_never_get_faster_when_one_host_gets_slower(requests: int) -> None:
    """Shares of whole requests once jumped from one copy to the other: five of them got 40 % faster so."""
    workload = Serve(concurrent_requests=requests, prompt_tokens=64, output_tokens=30)
    rates = [rate(1 + step / 3, workload) for step in range(20)]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(rates))


def test_a_full_engine_beside_a_free_one_keeps_its_queue() -> None:
    """Room for one request on the small card: the others go to the large one."""
    small = device("b", memory_free_bytes=3 * GIB)
    home = cluster(node("a"), node("b", small))
    found = Estimator(home, GPT2, Serve(concurrent_requests=64)).estimate(two_copies())
    alone = Estimator(home, GPT2, Serve(concurrent_requests=64)).estimate(
        replace(two_copies(), replicas=two_copies().replicas[:1])
    )
    assert isinstance(found, Estimate)
    assert isinstance(alone, Estimate)
    assert found.output_tokens_per_s.mid > alone.output_tokens_per_s.mid
