"""What is read from a device, byte by byte."""

from __future__ import annotations

import struct
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from tests.lab.frame import FLOOD, MULTICAST, UNICAST, parse_frame


def vnet_header(*, gso_type: int = 0, header_bytes: int = 0, segment_bytes: int = 0) -> bytes:
    return struct.pack("<BBHHHH", 1, gso_type, header_bytes, segment_bytes, 34, 16)


def ethernet(destination: str, body: bytes) -> bytes:
    return bytes.fromhex(destination) + bytes.fromhex("020000000001") + b"\x08\x00" + body


def test_a_plain_frame_weighs_its_ethernet_bytes() -> None:
    frame = parse_frame(vnet_header() + ethernet("020000000002", b"x" * 1500), "tap")
    assert (frame.wire_bytes, frame.packet_bytes, frame.packets) == (1514, 1500, 1)
    assert frame.destination == bytes.fromhex("020000000002")
    assert frame.source == bytes.fromhex("020000000001")


def test_an_offloaded_frame_weighs_the_headers_of_all_its_packets() -> None:
    """10 * 1448 bytes of TCP in 66 bytes of headers: ten packets of 1514 bytes, 1500 in IP."""
    header = vnet_header(gso_type=1, header_bytes=66, segment_bytes=1448)
    frame = parse_frame(header + ethernet("020000000002", b"x" * (52 + 14480)), "tap")
    assert (frame.wire_bytes, frame.packet_bytes, frame.packets) == (15140, 1500, 10)


def test_the_last_short_packet_of_an_offloaded_frame_has_headers_too() -> None:
    """1449 = 1448 + 1 bytes: 1514 + 67."""
    header = vnet_header(gso_type=1, header_bytes=66, segment_bytes=1448)
    frame = parse_frame(header + ethernet("020000000002", b"x" * (52 + 1449)), "tap")
    assert (frame.wire_bytes, frame.packets) == (1581, 2)


def test_a_tunnel_packet_is_known_by_its_ip_addresses_and_weighs_as_on_ethernet() -> None:
    packet = bytes([0x45]) + b"\0" * 11 + bytes([10, 8, 0, 2]) + bytes([10, 8, 0, 3]) + b"x" * 80
    frame = parse_frame(vnet_header() + packet, "tun")
    assert (frame.wire_bytes, frame.packet_bytes) == (114, 100)
    assert (frame.source, frame.destination) == (bytes([10, 8, 0, 2]), bytes([10, 8, 0, 3]))


def group_of(destination: str) -> int:
    return parse_frame(vnet_header() + ethernet(destination, b""), "tap").group


def test_mdns_is_multicast_but_arp_and_neighbour_discovery_are_not() -> None:
    assert group_of("020000000002") == UNICAST
    assert group_of("ffffffffffff") == FLOOD
    assert group_of("3333ff123456") == FLOOD
    assert group_of("333300000001") == FLOOD
    assert group_of("01005e0000fb") == MULTICAST
    assert group_of("3333000000fb") == MULTICAST


@given(st.binary(max_size=200), st.sampled_from(["tap", "tun"]))
def test_no_bytes_make_the_switch_stumble(data: bytes, kind: Literal["tap", "tun"]) -> None:
    frame = parse_frame(data, kind)
    assert frame.data == data
    assert frame.packets >= 1
