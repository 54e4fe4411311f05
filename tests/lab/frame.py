"""What the switch must know of a frame: its size on the wire, its two ends, and who may hear it."""

from __future__ import annotations

from typing import Final, Literal

VNET_HEADER_BYTES: Final = 10
"""struct virtio_net_hdr, which the kernel puts before every frame of a TAP with IFF_VNET_HDR."""
ETHERNET_HEADER_BYTES: Final = 14
UNICAST: Final = 0
FLOOD: Final = 1
"""Broadcast, and the IPv6 neighbour discovery without which there is no unicast."""
MULTICAST: Final = 2
"""What access points like to drop: mDNS, SSDP and their kin."""

Kind = Literal["tap", "tun"]


class Frame:
    """One read of a device. A segmentation-offloaded (GSO) frame stands for several packets.

    `wire_bytes` counts Ethernet headers and payloads of all its packets, `packet_bytes` is the IP
    size of the largest one, `packets` their number. `data` is what is written to the next device.
    """

    __slots__ = ("data", "destination", "group", "packet_bytes", "packets", "source", "wire_bytes")

    def __init__(
        self,
        data: bytes,
        *,
        wire_bytes: int,
        packet_bytes: int,
        packets: int = 1,
        source: bytes = b"",
        destination: bytes = b"",
        group: int = UNICAST,
    ) -> None:
        self.data = data
        self.wire_bytes = wire_bytes
        self.packet_bytes = packet_bytes
        self.packets = packets
        self.source = source
        self.destination = destination
        self.group = group


def parse_frame(data: bytes, kind: Kind) -> Frame:
    """The frame in one read of a device; too short a read gives empty addresses (flooded to none)."""
    header_bytes = ETHERNET_HEADER_BYTES if kind == "tap" else 0
    source, destination, group = _ethernet(data) if kind == "tap" else _ip(data)
    body_bytes = max(header_bytes, len(data) - VNET_HEADER_BYTES)
    segment_bytes = int.from_bytes(data[4:6], "little") if data[1:2] != b"\0" else 0
    repeated_bytes = int.from_bytes(data[2:4], "little")  # headers that each segment carries again
    payload_bytes = body_bytes - repeated_bytes
    if not segment_bytes or payload_bytes <= segment_bytes:
        return Frame(
            data,
            wire_bytes=body_bytes - header_bytes + ETHERNET_HEADER_BYTES,
            packet_bytes=body_bytes - header_bytes,
            source=source,
            destination=destination,
            group=group,
        )
    packets = -(-payload_bytes // segment_bytes)
    per_packet_bytes = repeated_bytes - header_bytes + ETHERNET_HEADER_BYTES
    return Frame(
        data,
        wire_bytes=payload_bytes + packets * per_packet_bytes,
        packet_bytes=repeated_bytes + segment_bytes - header_bytes,
        packets=packets,
        source=source,
        destination=destination,
        group=group,
    )


def _ethernet(data: bytes) -> tuple[bytes, bytes, int]:
    destination, source = data[10:16], data[16:22]
    if not destination or not destination[0] & 1:
        return source, destination, UNICAST
    neighbour_discovery = destination.startswith(b"\x33\x33\xff") or (
        destination[:5] == b"\x33\x33\0\0\0" and destination[5] <= 2
    )
    broadcast = destination == b"\xff" * 6
    return source, destination, FLOOD if broadcast or neighbour_discovery else MULTICAST


def _ip(data: bytes) -> tuple[bytes, bytes, int]:
    if len(data) <= VNET_HEADER_BYTES:
        return b"", b"", UNICAST
    packet = data[VNET_HEADER_BYTES : VNET_HEADER_BYTES + 40]
    if packet[0] >> 4 == 4:
        source, destination = packet[12:16], packet[16:20]
        multicast = bool(destination) and destination[0] >> 4 == 0xE
    else:
        source, destination = packet[8:24], packet[24:40]
        multicast = destination[:1] == b"\xff"
    return source, destination, MULTICAST if multicast else UNICAST
