from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from netprobe.schedule import rounds

hosts = st.integers(0, 12).map(lambda count: [f"h{number}" for number in range(count)])


@given(hosts)
def test_every_pair_has_exactly_one_round(names):
    pairs = [pair for turn in rounds(names) for pair in turn]

    assert sorted(map(sorted, pairs)) == sorted(map(sorted, combinations(names, 2)))


@given(hosts)
def test_no_host_is_twice_in_a_round(names):
    for turn in rounds(names):
        busy = [host for pair in turn for host in pair]
        assert len(busy) == len(set(busy))


@given(hosts.filter(lambda names: len(names) > 1))
def test_there_are_as_few_rounds_as_possible(names):
    assert len(rounds(names)) == len(names) - 1 + len(names) % 2
