"""Whom a sweep asks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.discovery.networks import swept
from homecluster.domain.home_network import HomeAddress


def own(address: str, bits: int = 24) -> HomeAddress:
    return HomeAddress(interface="eth0", address=address, prefix_bits=bits)


def test_the_own_24_without_oneself() -> None:
    asked = swept([own("10.77.0.3")])
    assert len(asked) == 253
    assert "10.77.0.3" not in asked
    assert {"10.77.0.1", "10.77.0.254"} <= set(asked)


def test_a_wide_network_is_swept_around_the_own_address_only() -> None:
    assert len(swept([own("172.20.5.2", 20)])) == 253
    assert "172.20.5.77" in swept([own("172.20.5.2", 20)])
    assert "172.20.6.1" not in swept([own("172.20.5.2", 20)])


def test_a_narrow_network_is_not_left() -> None:
    assert swept([own("192.168.1.5", 30)]) == ("192.168.1.6",)


def test_loopback_is_not_swept() -> None:
    assert swept([own("127.0.0.1", 8)]) == ()


@settings(max_examples=50)
@given(st.lists(st.tuples(st.ip_addresses(v=4), st.integers(8, 32)), max_size=8))
def test_law_a_sweep_is_bounded_whatever_the_addresses(found: list[tuple[object, int]]) -> None:
    assert len(swept([own(str(address), bits) for address, bits in found])) <= 4 * 256
