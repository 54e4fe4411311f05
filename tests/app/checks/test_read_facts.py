"""Texts of this PC's system as they are printed -> facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.app.checks.read_facts import (
    default_interface,
    linux_path,
    parse_port_range,
    parse_synchronised,
    parse_ufw,
    proxies_set,
    read_facts,
)
from homecluster.app.doctor import checks_of
from homecluster.store.paths import Paths

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0"""


def test_of_two_default_routes_the_one_with_the_least_metric_counts() -> None:
    assert default_interface(ROUTES) == "eth0"


def test_wsls_own_block_of_ports_is_read() -> None:
    assert parse_port_range("44620\t48715\n") == (44620, 48715)
    assert parse_port_range("none") is None


def test_ufw_is_active_only_where_its_settings_say_so() -> None:
    assert parse_ufw("# /etc/ufw/ufw.conf\nENABLED=yes\nLOGLEVEL=low")
    assert not parse_ufw("# ENABLED=yes\nENABLED=no")


def test_a_clock_without_systemd_is_unknown() -> None:
    assert parse_synchronised("NTPSynchronized=no") is False
    assert parse_synchronised("") is None


def test_windows_paths_become_those_of_wsl() -> None:
    assert linux_path("C:\\Users\\me\r\n") == "/mnt/c/Users/me"
    assert linux_path("\\\\server\\share") is None


@pytest.mark.parametrize("spared", ["*", "localhost,192.168.1.0/24"])
def test_a_proxy_that_spares_the_home_network_is_fine(spared: str) -> None:
    assert proxies_set({"HTTP_PROXY": "http://p:1", "no_proxy": spared}) == ()


def test_a_proxy_for_everything_is_named() -> None:
    assert proxies_set({"HTTP_PROXY": "http://p:1", "no_proxy": "localhost"}) == ("http_proxy",)


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_any_text_is_read_without_complaint(text: str) -> None:
    for parse in (default_interface, parse_port_range, parse_ufw, parse_synchronised, linux_path):
        parse(text)


def test_this_pc_can_be_examined(tmp_path: Path) -> None:
    facts = read_facts(Paths(home=tmp_path / "h", engines=tmp_path / "e"), {})

    assert facts.ram_total_bytes > 0
    assert {"python", "disk", "state"} <= {one.id for one in checks_of(facts)}
