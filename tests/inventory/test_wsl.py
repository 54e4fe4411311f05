"""Telling WSL2's networking modes apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import WslMode
from homecluster.inventory.wsl import (
    WslMarks,
    default_gateway,
    guess_mode,
    parse_networking_mode,
    read_mode,
)

# Layout of the kernel's table; the gateway is little-endian hexadecimal: 0101A8C0 is 192.168.1.1.
ROUTES = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t0050A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
)
LAN_GATEWAY, WSL_GATEWAY = "0101A8C0", "0160ACAC"
MARKS = WslMarks(has_loopback0=False, eth0_mac="00:15:5d:11:22:33", default_gateway=None)


def marks(**changes: object) -> WslMarks:
    fields = {name: getattr(MARKS, name) for name in WslMarks.__dataclass_fields__}
    return WslMarks(**(fields | changes))


@pytest.mark.parametrize("word", ["nat", "mirrored", "virtioproxy", "consomme", "bridged", "none"])
def test_wslinfos_word_is_the_mode(word: str) -> None:
    # The words that wslinfo.cpp prints (microsoft/WSL 2.6.3 and 2.9.4).
    assert parse_networking_mode(word + "\n") == WslMode(word)


@pytest.mark.parametrize("output", ["", "wsl1\n", "unknown\n", "Usage: wslinfo [OPTION]", "\0"])
def test_anything_else_is_no_mode(output: str) -> None:
    assert parse_networking_mode(output) is None


@given(st.text())
def test_no_output_whatever_breaks_the_parser(output: str) -> None:
    mode = parse_networking_mode(output)
    assert mode is None or mode.value == output.strip().lower()


def test_the_default_routes_gateway_is_read_from_the_kernels_table() -> None:
    assert default_gateway(ROUTES.format(gateway=LAN_GATEWAY)) == "192.168.1.1"
    assert default_gateway(ROUTES.format(gateway=WSL_GATEWAY)) == "172.172.96.1"
    assert default_gateway(ROUTES.format(gateway="00000000")) is None
    assert default_gateway("") is None


@pytest.mark.parametrize(
    ("traces", "mode"),
    [
        (marks(has_loopback0=True, default_gateway="192.168.1.1"), WslMode.MIRRORED),
        (marks(eth0_mac="00:00:00:00:01:00", default_gateway="192.168.1.1"), WslMode.VIRTIOPROXY),
        (marks(default_gateway="172.28.96.1"), WslMode.NAT),
        (marks(default_gateway="192.168.1.1"), WslMode.UNKNOWN),
        (marks(), WslMode.UNKNOWN),
    ],
)
def test_without_wslinfo_the_traces_decide(traces: WslMarks, mode: WslMode) -> None:
    assert guess_mode(traces) == mode


def test_wslinfo_beats_the_traces() -> None:
    # After a fallback to NAT the traces of mirrored mode may linger.
    files = {"/sys/class/net/loopback0/address": "02:00:00:00:00:00"}
    assert read_mode(files.get, lambda: "nat\n") == WslMode.NAT


def test_the_traces_are_read_where_wslinfo_is_missing_or_says_nonsense() -> None:
    files = {"/proc/net/route": ROUTES.format(gateway="01601CAC")}  # 172.28.96.1
    assert read_mode(files.get, lambda: None) == WslMode.NAT
    assert read_mode(files.get, lambda: "Invalid command line option") == WslMode.NAT
