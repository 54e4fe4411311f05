from hypothesis import given
from hypothesis import strategies as st

from netprobe.probes.path_mtu import PathMtu, candidates


@given(st.integers(576, 60_000), st.integers(1, 9000))
def test_candidates_lie_strictly_between(good, gap):
    sizes = candidates(good, good + gap)
    assert all(good < size < good + gap for size in sizes)
    assert len(set(sizes)) == len(sizes)
    assert sizes or gap == 1


@given(st.integers(576, 9000), st.integers(576, 9000))
def test_the_search_ends_at_the_true_size(one, other):
    true, top = sorted((one, other))
    good, bad = 576, top + 1
    while sizes := candidates(good, bad):
        good = max((good, *(size for size in sizes if size <= true)))
        bad = min((bad, *(size for size in sizes if size > true)))
    assert good == true


def test_only_untold_losses_are_a_blackhole():
    def path(mtu, *, told, back_fits=True):
        return PathMtu(mtu_bytes=mtu, interface_mtu_bytes=1500, told=told, back_fits=back_fits)

    assert not path(1500, told=True).blackhole
    assert not path(1420, told=True).blackhole
    assert path(1420, told=False).blackhole
    assert path(1500, told=True, back_fits=False).blackhole
    assert not path(None, told=False).blackhole
