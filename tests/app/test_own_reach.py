"""Whether this PC takes itself for one that others can dial."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from homecluster.app import own_reach
from homecluster.app.own_reach import limits_here
from homecluster.domain.hardware import WslMode
from homecluster.inventory.addresses import InterfaceAddress


def be(monkeypatch: pytest.MonkeyPatch, os: str, mode: WslMode) -> None:
    vpn = InterfaceAddress(
        interface="wg0", address="10.8.0.2", is_up=True, prefix_bits=24, is_tunnel=True
    )
    monkeypatch.setattr(own_reach, "read_system", lambda: SimpleNamespace(os=os))
    monkeypatch.setattr(own_reach, "read_mode", lambda: mode)
    monkeypatch.setattr(own_reach, "read_interfaces", lambda: (vpn,))


@pytest.mark.parametrize(
    ("os", "mode", "interface", "is_limited"),
    [
        ("linux", WslMode.NAT, None, False),
        ("wsl2", WslMode.NAT, None, True),
        ("wsl2", WslMode.NAT, "eth0", True),
        ("wsl2", WslMode.NAT, "wg0", False),
        ("wsl2", WslMode.MIRRORED, None, False),
        ("wsl2", WslMode.CONSOMME, None, True),
    ],
)
def test_only_wsl_without_its_own_address_is_limited(
    monkeypatch: pytest.MonkeyPatch,
    os: str,
    mode: WslMode,
    interface: str | None,
    *,
    is_limited: bool,
) -> None:
    be(monkeypatch, os, mode)
    assert (limits_here(interface) is not None) is is_limited
