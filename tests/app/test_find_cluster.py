"""From what was heard and tried to where a cluster is, or why it is not reached."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from homecluster.app import find_cluster as module
from homecluster.app.find_cluster import (
    dialled_from,
    find_cluster,
    introduced,
    nothing_found,
    why_unreachable,
)
from homecluster.app.reach_advice import Cause, Dialled
from homecluster.discovery.first_answer import NoAnswer
from homecluster.discovery.packets import Sighting
from homecluster.discovery.peer_table import PeerTable
from homecluster.domain.hardware import WslMode
from homecluster.domain.home_network import HomeAddress
from homecluster.errors import PeerError
from tests.discovery.answers import CLUSTER, advert, sighting
from tests.ports import unused_port

KEY = CLUSTER + "9" * 48
OWN = HomeAddress(interface="wlan0", address="10.77.0.3", prefix_bits=24)
VPN = HomeAddress(interface="wg0", address="10.8.0.3", prefix_bits=24)


@pytest.mark.parametrize(
    ("reason", "dialled"),
    [
        ("10.77.0.2 port 7433: [Errno 111] Connection refused", Dialled.REFUSED),
        ("10.77.0.2 port 7433: [Errno 113] No route to host", Dialled.NO_ROUTE),
        ("10.77.0.2 port 7433: [Errno 101] Network is unreachable", Dialled.NO_ROUTE),
        ("10.77.0.2 port 7433: timed out", Dialled.SILENT),
        ("did not answer in time", Dialled.SILENT),
        ("what answers at 10.77.0.2 port 80 is no cluster: status 404", Dialled.OTHER_KEY),
    ],
)
def test_how_a_connection_ended_is_read_from_what_was_said(reason: str, dialled: Dialled) -> None:
    assert dialled_from(reason) is dialled


def test_a_search_knows_the_cluster_by_the_start_of_its_keys_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}

    async def heard(*_: object, **options: Any) -> PeerTable:
        asked.update(options)
        twice = Sighting(advert=advert(), source="10.77.0.9", addresses=("10.77.0.9", "10.77.0.2"))
        peers = {(CLUSTER, "10.77.0.2"): sighting(), (CLUSTER, "10.77.0.9"): twice}
        return PeerTable(peers=peers)

    monkeypatch.setattr(module, "search", heard)
    found = asyncio.run(find_cluster(KEY))
    assert found is not None
    assert found.addresses == (("10.77.0.2", 21000), ("10.77.0.9", 21000))
    assert asked["known"] == frozenset({CLUSTER})


def test_where_nothing_listens_the_cause_is_named() -> None:
    address = ("127.0.0.1", unused_port())
    with pytest.raises(PeerError, match="nothing listens") as error:
        asyncio.run(introduced([address], KEY, look=False))
    assert "homecluster join" in str(error.value.hint)


@pytest.mark.parametrize("typed", ["desk.lan", "10.77.0", "10.77.0.2.3", "fe80::1%nowhere"])
def test_an_address_that_means_nobody_is_named(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    def unknown(host: str) -> str:
        raise socket.gaierror(-2, f"{host}: Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", unknown)
    told = why_unreachable(NoAnswer(reasons=(((typed, 7433), "it did not answer"),)))
    assert told.why.startswith(f"{typed} ")
    assert "typing error" in told.remedy


def test_a_name_is_told_with_the_address_that_it_means() -> None:
    with pytest.raises(PeerError, match=r"localhost is 127\.0\.0\.1: .* nothing listens"):
        asyncio.run(introduced([("localhost", unused_port())], KEY, look=False))


@pytest.mark.parametrize(
    ("own", "mode", "cause", "remedy"),
    [
        ((), None, Cause.OTHER_NETWORK, "--interface wg0"),
        ((OWN,), WslMode.NAT, Cause.WSL_NAT, "--address"),
        ((OWN,), WslMode.MIRRORED, Cause.ABSENT, "--address"),
        ((OWN,), None, Cause.ABSENT, "join --new"),
    ],
)
def test_nothing_found_is_told_with_a_remedy(
    own: tuple[HomeAddress, ...], mode: WslMode | None, cause: Cause, remedy: str
) -> None:
    told = nothing_found(own, (VPN,), mode)
    assert told.cause is cause
    assert remedy in told.remedy
