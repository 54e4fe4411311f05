"""The knee of a replica sweep, by hand."""

from __future__ import annotations

import pytest

from homecluster.jobs.knee import Point, find_knee, predicted_requests_per_s


def point(
    replicas: int, rate: float, processor_share: float = 0.5, memory_share: float = 0.1
) -> Point:
    return Point(
        replicas=replicas,
        requests_per_s=rate,
        processor_share=processor_share,
        memory_share=memory_share,
    )


def test_the_fewest_copies_near_the_best_are_the_knee() -> None:
    knee = find_knee([point(1, 10), point(2, 19.5, 0.99), point(4, 20, 0.99), point(8, 18, 1.0)])
    assert (knee.replicas, knee.binds) == (2, "processor")
    assert "99%" in knee.reason


@pytest.mark.parametrize(
    ("processor", "memory", "binds"),
    [(0.9, 0.2, "processor"), (0.9, 0.95, "memory"), (0.4, 0.2, "load")],
)
def test_what_binds_is_named(processor: float, memory: float, binds: str) -> None:
    assert find_knee([point(3, 10, processor, memory)]).binds == binds


def test_copies_beyond_the_cores_are_predicted_to_add_nothing() -> None:
    def rate(replicas: int) -> float:
        return predicted_requests_per_s(replicas, service_s=0.1, cores=4, in_flight=8)

    assert [rate(n) for n in (1, 4, 9)] == [10.0, 40.0, 40.0]


def test_no_more_requests_are_served_than_there_are() -> None:
    assert predicted_requests_per_s(8, service_s=0.5, cores=16, in_flight=2) == 4.0
