"""Each way of not being reached is told apart, with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.limits import DEFAULT_PORT
from homecluster.app.probe_verbs import PORTS
from homecluster.app.reach_advice import Cause, Dialled, Seen, explain
from homecluster.domain.hardware import WslMode
from homecluster.domain.home_network import HomeAddress

OWN = HomeAddress(interface="wlan0", address="10.77.0.3", prefix_bits=24)
VPN = HomeAddress(interface="tun0", address="10.8.0.3", prefix_bits=24)


def seen(**changes: Any) -> Seen:
    values: dict[str, Any] = {
        "target": "10.77.0.4",
        "port": 7433,
        "dialled": Dialled.NO_ROUTE,
        "own": (OWN,),
        "neighbours": {},
    }
    return Seen(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"dialled": Dialled.REFUSED}, Cause.NOT_RUNNING),
        ({"dialled": Dialled.OTHER_KEY}, Cause.IMPOSTOR),
        ({"dialled": Dialled.SILENT, "neighbours": {"10.77.0.4": True}}, Cause.FIREWALL),
        ({"neighbours": {"10.77.0.4": False, "10.77.0.1": True}}, Cause.CLIENT_ISOLATION),
        ({"neighbours": {"10.77.0.4": False}, "is_alive_elsewhere": True}, Cause.CLIENT_ISOLATION),
        ({"neighbours": {"10.77.0.4": False, "172.17.0.2": True}}, Cause.ABSENT),
        ({"neighbours": {}}, Cause.ABSENT),
        ({"target": "192.168.7.7"}, Cause.OTHER_NETWORK),
        ({"target": "192.168.7.7", "own": ()}, Cause.OTHER_NETWORK),
        ({"target": "10.77.0.4", "own": (), "wsl_mode": WslMode.NAT}, Cause.WSL_NAT),
    ],
)
def test_the_cause_is_named(changes: dict[str, Any], cause: Cause) -> None:
    assert explain(seen(**changes)).cause is cause


def test_a_sleeping_pc_is_not_blamed_on_the_wifi() -> None:
    """Nobody hears it: it may as well be switched off."""
    why = explain(seen(neighbours={"10.77.0.4": False, "10.77.0.1": True})).why
    assert "switched off, or" in why
    sure = explain(seen(neighbours={"10.77.0.1": True}, is_alive_elsewhere=True)).why
    assert "switched off" not in sure


def test_a_vpn_is_offered_only_by_its_name() -> None:
    told = explain(seen(target="192.168.7.7", tunnels=(VPN,)))
    assert "--interface tun0" in told.remedy


@settings(max_examples=100)
@given(
    target=st.ip_addresses(v=4),
    dialled=st.sampled_from(Dialled),
    neighbours=st.dictionaries(st.ip_addresses(v=4).map(str), st.booleans(), max_size=5),
    alive=st.booleans(),
)
def test_law_every_failure_has_a_why_and_a_remedy(
    target: object, dialled: Dialled, neighbours: dict[str, bool], alive: bool
) -> None:
    told = explain(
        seen(target=str(target), dialled=dialled, neighbours=neighbours, is_alive_elsewhere=alive)
    )
    assert told.why
    assert told.remedy


def test_every_cause_has_its_remedy_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "join.md").read_text()
    assert [cause for cause in Cause if f"| `{cause}` |" not in page] == []


def test_the_docs_name_the_ports_that_are_opened() -> None:
    page = (Path(__file__).parents[2] / "docs" / "join.md").read_text()
    assert f"{PORTS[0]} to {PORTS[-1]}" in page
    assert f"TCP {DEFAULT_PORT}" in page
