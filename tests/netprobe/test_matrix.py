from hypothesis import given
from hypothesis import strategies as st

from netprobe.matrix import KEPT_SHARE, expected, keeps, total
from netprobe.schedule import Pair
from netprobe.types import Throughput


def carried(forward, back):
    return Throughput(
        forward_bytes_per_s=forward,
        back_bytes_per_s=back,
        tool="builtin",
        congestion_control=None,
        forward_retransmits=None,
        back_retransmits=None,
        steady=True,
    )


def test_a_pair_should_reach_what_its_slower_end_has_reached():
    """a sent 100 to b; d received 20 from c: a to d is expected at 20. Back: d sent 5, a received 90."""
    known = {Pair("a", "b"): carried(100.0, 90.0), Pair("c", "d"): carried(20.0, 5.0)}
    bound = expected(Pair("a", "d"), known)
    assert bound is not None
    assert (bound.forward_bytes_per_s, bound.back_bytes_per_s) == (20.0, 5.0)


def test_of_a_host_never_seen_nothing_is_expected():
    assert expected(Pair("a", "x"), {Pair("a", "b"): carried(1.0, 1.0)}) is None


def test_half_the_rate_is_not_kept_in_either_direction():
    alone = carried(100.0, 100.0)
    assert keeps(carried(86.0, 100.0), alone)
    assert not keeps(carried(50.0, 100.0), alone)
    assert not keeps(carried(100.0, 50.0), alone)


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_what_a_pair_has_it_keeps(forward, back):
    assert keeps(carried(forward, back), carried(forward, back))
    assert keeps(carried(forward, back), carried(forward * KEPT_SHARE, back * KEPT_SHARE))
    assert total(carried(forward, back)) == forward + back


def test_a_direction_that_failed_counts_as_nothing():
    assert total(carried(None, 5.0)) == 5.0
    assert not keeps(carried(None, 5.0), carried(5.0, 5.0))
