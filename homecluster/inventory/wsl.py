"""Which networking mode WSL2 runs in, because only some let other PCs in."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from homecluster.domain.hardware import WslMode
from homecluster.inventory.host_files import ReadText, read_host_text

WSLINFO = ("wslinfo", "--networking-mode")
_TIMEOUT_S = 10.0

_PRIVATE_NAT = ipaddress.ip_network("172.16.0.0/12")
"""WSL2 puts its virtual switch there."""
_USER_MODE_MAC = "00:00:00:00:01:00"
"""The fixed MAC of eth0 behind WSL's user-mode NAT, which was called virtioproxy before WSL 2.9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WslMarks:
    """What tells the mode where `wslinfo` (WSL 2.0 and newer) is missing."""

    has_loopback0: bool
    eth0_mac: str | None
    default_gateway: str | None


def parse_networking_mode(output: str) -> WslMode | None:
    """The mode that `wslinfo --networking-mode` printed; None for anything else."""
    word = output.strip().lower()
    return WslMode(word) if word in set(WslMode) and word != WslMode.UNKNOWN else None


def guess_mode(marks: WslMarks) -> WslMode:
    """The mode by its traces.

    A LAN address on eth0 proves nothing: the user-mode NAT shows Windows' own address there.
    """
    if marks.has_loopback0:
        return WslMode.MIRRORED
    if marks.eth0_mac == _USER_MODE_MAC:
        return WslMode.VIRTIOPROXY
    gateway = marks.default_gateway
    if gateway is not None and ipaddress.ip_address(gateway) in _PRIVATE_NAT:
        return WslMode.NAT
    return WslMode.UNKNOWN


def default_gateway(route_table: str) -> str | None:
    """The gateway of the default route in the text of /proc/net/route; None without one."""
    for line in route_table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 2 and fields[1] == "00000000" and fields[2] != "00000000":  # noqa: PLR2004 - interface, destination, gateway
            return str(ipaddress.IPv4Address(bytes.fromhex(fields[2])[::-1]))
    return None


def read_mode(
    read: ReadText = read_host_text, run: Callable[[], str | None] | None = None
) -> WslMode:
    """The mode of this WSL2: by `wslinfo`, else by its traces; to be called on WSL2 only."""
    output = (run or _run_wslinfo)()
    mode = parse_networking_mode(output) if output is not None else None
    return mode or guess_mode(_read_marks(read))


def _read_marks(read: ReadText) -> WslMarks:
    return WslMarks(
        has_loopback0=read("/sys/class/net/loopback0/address") is not None,
        eth0_mac=read("/sys/class/net/eth0/address"),
        default_gateway=default_gateway(read("/proc/net/route") or ""),
    )


def _run_wslinfo() -> str | None:
    try:
        done = subprocess.run(
            WSLINFO, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
