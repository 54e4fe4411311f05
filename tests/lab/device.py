"""TAP and TUN devices: how frames get from a host's network to the switch and back."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

from tests.lab.frame import Kind

READ_BYTES: Final = 1 << 17
"""More than the largest GSO frame with its headers."""

_TUNSETIFF: Final = 0x400454CA
_TUNSETOFFLOAD: Final = 0x400454D0
_TUNSETCARRIER: Final = 0x400454E2
_IFF_TUN: Final = 0x0001
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_OFFLOAD_CHECKSUM: Final = 0x01
_OFFLOAD_TSO: Final = 0x02 | 0x04


def open_device(name: str, kind: Kind, *, gso: bool) -> int:
    """A new interface in the network namespace that this process is in; it lives as long as the fd."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = (_IFF_TAP if kind == "tap" else _IFF_TUN) | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(handle, _TUNSETOFFLOAD, _OFFLOAD_CHECKSUM | (_OFFLOAD_TSO if gso else 0))
    return handle


def set_carrier(handle: int, *, present: bool) -> None:
    """Plug or unplug the cable, as the host sees it."""
    fcntl.ioctl(handle, _TUNSETCARRIER, struct.pack("I", int(present)))
