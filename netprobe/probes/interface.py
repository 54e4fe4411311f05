"""Which interface carries an address on this PC, and what the system tells about it."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Final

import psutil

from netprobe.probes.interface_kind import InterfaceFacts, classify
from netprobe.types import Interface

_CLASS: Final = Path("/sys/class/net")
DEFAULT_MTU_BYTES: Final = 1500


def interface_of(address: str) -> Interface | None:
    """The interface that owns a local address; None when none does."""
    wanted = address.partition("%")[0]
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.address.partition("%")[0] == wanted for entry in entries):
            return classify(facts_of(name, wanted))
    if wanted.startswith("127."):
        return classify(facts_of("lo", wanted))
    return None


def mtu_of(name: str) -> int:
    """Its MTU in bytes; 1500 when the system does not say."""
    stats = psutil.net_if_stats().get(name)
    return stats.mtu if stats and stats.mtu else DEFAULT_MTU_BYTES


def facts_of(name: str, address: str, base: Path = _CLASS) -> InterfaceFacts:
    """What sysfs tells; only the name where sysfs shows another network namespace or none."""
    folder = base / name
    if _text(folder / "ifindex") != str(_index(name)):
        return InterfaceFacts(name=name, address=address)
    return InterfaceFacts(
        name=name,
        address=address,
        arp_type=_number(folder / "type", 10),
        device_type=_device_type(folder / "uevent"),
        driver=_driver(folder),
        wireless=(folder / "wireless").exists() or (folder / "phy80211").exists(),
        virtual="/virtual/" in str(folder.resolve()),
        tun_flags=_number(folder / "tun_flags", 16),
        speed_mbit_per_s=_speed(folder),
    )


def _index(name: str) -> int:
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(name)
    return -1


def _text(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip()
    return ""


def _number(path: Path, base: int) -> int | None:
    with contextlib.suppress(ValueError):
        return int(_text(path), base)
    return None


def _speed(folder: Path) -> int | None:
    speed = _number(folder / "speed", 10)
    return speed if speed and speed > 0 else None


def _device_type(uevent: Path) -> str:
    lines = _text(uevent).splitlines()
    return next(
        (line.removeprefix("DEVTYPE=") for line in lines if line.startswith("DEVTYPE=")), ""
    )


def _driver(folder: Path) -> str:
    link = folder / "device" / "driver"
    return link.resolve().name if link.exists() else ""
