"""Samples shared among unlike devices."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.planner.training.micro_batches import accumulations, split


def test_samples_follow_the_speeds() -> None:
    assert split(14, (4.0, 2.0, 1.0), (0.0, 0.0, 0.0), (99, 99, 99)) == (2, 4, 8)


def test_memory_limits_a_fast_device() -> None:
    assert split(14, (4.0, 2.0, 1.0), (0.0, 0.0, 0.0), (99, 99, 5)) == (3, 6, 5)


def test_every_device_takes_one_or_there_is_no_split() -> None:
    assert split(3, (1.0, 1.0, 100.0), (0.0, 0.0, 0.0), (9, 9, 9)) == (1, 1, 1)
    assert split(2, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (9, 9, 9)) is None
    assert split(9, (1.0, 1.0), (0.0, 0.0), (4, 4)) is None
    assert split(2, (1.0, 1.0), (0.0, 0.0), (0, 4)) is None


def test_micro_steps_divide_the_batch() -> None:
    assert accumulations(12) == (1, 2, 3, 4, 6, 12)


DEVICES = st.lists(
    st.tuples(st.floats(1e-4, 10), st.floats(0, 1), st.integers(1, 12)), min_size=1, max_size=4
)


@settings(max_examples=60)
@given(DEVICES, st.integers(1, 24))
def test_law_no_single_move_makes_the_slowest_faster(
    devices: list[tuple[float, float, int]], samples: int
) -> None:
    sample_s, fixed_s, most = zip(*devices, strict=True)
    counts = split(samples, sample_s, fixed_s, most)
    if counts is None:
        assert samples < len(devices) or sum(most) < samples
        return
    assert sum(counts) == samples
    assert all(1 <= count <= cap for count, cap in zip(counts, most, strict=True))

    def time_s(i: int, count: int) -> float:
        return fixed_s[i] + sample_s[i] * count

    slowest = max(range(len(devices)), key=lambda i: time_s(i, counts[i]))
    if counts[slowest] == 1:
        return
    limit_s = time_s(slowest, counts[slowest])
    takers = [i for i in range(len(devices)) if i != slowest and counts[i] < most[i]]
    assert all(time_s(i, counts[i] + 1) >= limit_s * (1 - 1e-6) for i in takers)
