from hypothesis import given
from hypothesis import strategies as st

from netprobe.stats import bufferbloat_grade, quantile, settled, steady_rate

times = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=200)


@given(times, st.floats(0.0, 1.0))
def test_a_quantile_lies_within_its_samples(samples, share):
    assert min(samples) <= quantile(samples, share) <= max(samples)


@given(times, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantiles_do_not_fall_as_the_share_grows(samples, one, other):
    low, high = sorted((one, other))
    assert quantile(samples, low) <= quantile(samples, high)


def test_the_median_of_an_even_count_is_halfway():
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5


@given(st.floats(1.0, 1e10), st.integers(4, 100))
def test_equal_samples_are_steady_at_their_value(rate, count):
    found = steady_rate([rate] * count)
    assert found.steady
    assert abs(found.bytes_per_s - rate) <= 1e-9 * rate


def test_slow_start_is_dropped_and_a_dip_in_the_middle_is_not():
    rates = [1.0, 20.0, 60.0, 100.0, 101.0, 50.0, 99.0, 100.0]
    assert settled(rates) == (100.0, 101.0, 50.0, 99.0, 100.0)


def test_a_saw_tooth_as_cubic_draws_under_loss_is_unsteady():
    assert not steady_rate([4.0, 6.0, 9.0, 3.0, 5.0, 8.0, 2.0, 4.0, 7.0, 3.0, 5.0, 9.0]).steady


def test_a_late_timer_does_not_make_a_link_unsteady():
    """Receiver's samples of a real 900 Mbit/s link: what one sample lacks the next one has."""
    rates = [858, 822, 764, 876, 767, 907, 980, 673, 1063, 835, 786, 946, 543, 997, 1048, 639]
    assert steady_rate(rates).steady


def test_halves_that_differ_by_more_than_a_tenth_are_unsteady():
    """The mean is known within 2.4 % in the first case, so only the drift tells."""
    assert not steady_rate([94.6] * 6 + [105.4] * 6).steady
    assert steady_rate([95.2] * 6 + [104.8] * 6).steady


def test_too_few_samples_are_never_steady():
    assert not steady_rate([5.0, 5.0, 5.0]).steady


@given(st.lists(st.floats(0.0, 1e12), max_size=60), st.integers(0, 5))
def test_any_samples_give_a_rate_within_them(rates, skip):
    found = steady_rate(settled(rates, skip=skip))
    assert 0.0 <= found.bytes_per_s <= max(rates, default=0.0) * (1 + 1e-9)


def test_grades_follow_the_dslreports_scale():
    increases = (-0.01, 0.0049, 0.005, 0.029, 0.03, 0.06, 0.199, 0.2, 0.4, 5.0)
    grades = [bufferbloat_grade(increase) for increase in increases]
    assert grades == ["A+", "A+", "A", "A", "B", "C", "C", "D", "F", "F"]
