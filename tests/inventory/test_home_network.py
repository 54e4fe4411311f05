"""Which addresses a cluster may use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.home_network import HomeAddress
from homecluster.inventory.addresses import InterfaceAddress
from homecluster.inventory.home_network import tunnels, usable_addresses
from homecluster.inventory.neighbours import parse_neighbours, read_neighbours

FOUND = (
    InterfaceAddress(interface="lo", address="127.0.0.1", is_up=True, prefix_bits=8),
    InterfaceAddress(interface="docker0", address="172.17.0.1", is_up=True, prefix_bits=16),
    InterfaceAddress(
        interface="work", address="10.8.0.2", is_up=True, prefix_bits=24, is_tunnel=True
    ),
    InterfaceAddress(interface="eth1", address="169.254.3.4", is_up=True, prefix_bits=16),
    InterfaceAddress(interface="eth2", address="192.168.9.9", is_up=False, prefix_bits=24),
    InterfaceAddress(interface="eth0", address="fd00::2", is_up=True),
    InterfaceAddress(interface="eth0", address="192.168.1.5", is_up=True, prefix_bits=24),
)


def test_only_real_interfaces_are_used_by_themselves() -> None:
    own = HomeAddress(interface="eth0", address="192.168.1.5", prefix_bits=24)
    assert usable_addresses(FOUND) == (own,)
    assert str(own.network) == "192.168.1.0/24"


def test_a_vpn_is_used_when_it_is_chosen_even_by_an_unusual_name() -> None:
    assert [one.address for one in usable_addresses(FOUND, "work")] == ["10.8.0.2"]
    assert [one.interface for one in tunnels(FOUND)] == ["work"]


def test_a_chosen_interface_that_is_down_has_no_address() -> None:
    assert usable_addresses(FOUND, "eth2") == ()


ARP = """IP address       HW type     Flags       HW address            Mask     Device
10.77.0.1        0x1         0x2         02:fc:00:00:00:05     *        wlan0
10.77.0.4        0x1         0x0         00:00:00:00:00:00     *        wlan0
nonsense
10.77.0.5        0x1         zz          00:00:00:00:00:00     *        wlan0"""


def test_the_kernels_table_tells_who_answered() -> None:
    assert parse_neighbours(ARP) == {"10.77.0.1": True, "10.77.0.4": False}


def test_where_the_system_does_not_tell_nobody_is_known() -> None:
    assert read_neighbours(lambda _: None) == {}


@given(st.text(max_size=200))
def test_fuzz_no_table_breaks_the_reader(text: str) -> None:
    parse_neighbours(text)
