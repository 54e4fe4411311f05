from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from netprobe.schedule import Pair, all_pairs, apart, rounds

hosts = st.integers(0, 12).map(lambda count: [f"h{number}" for number in range(count)])


@given(hosts)
def test_every_pair_has_exactly_one_round(names):
    assert sorted(pair for turn in rounds(names) for pair in turn) == sorted(all_pairs(names))


@given(hosts)
def test_no_host_is_twice_in_a_round(names):
    for turn in rounds(names):
        busy = [host for pair in turn for host in pair]
        assert len(busy) == len(set(busy))


@given(hosts.filter(lambda names: len(names) > 1))
def test_there_are_as_few_rounds_as_possible(names):
    assert len(rounds(names)) == len(names) - 1 + len(names) % 2


@given(hosts, st.data())
def test_pairs_in_conflict_are_never_together_and_none_is_lost(names, data):
    pairs = all_pairs(names)
    couples = [frozenset(couple) for couple in combinations(pairs, 2)]
    conflicts = frozenset(data.draw(st.sets(st.sampled_from(couples)))) if couples else frozenset()
    groups = apart(pairs, conflicts)
    assert sorted(pair for group in groups for pair in group) == sorted(pairs)
    for group in groups:
        assert not any(frozenset(couple) in conflicts for couple in combinations(group, 2))


def test_two_wired_and_two_wireless_hosts_run_the_wireless_pairs_alone():
    ab, cd = Pair("a", "b"), Pair("c", "d")
    assert apart([ab, cd], frozenset()) == ((ab, cd),)
    assert apart([ab, cd], frozenset({frozenset({ab, cd})})) == ((ab,), (cd,))
