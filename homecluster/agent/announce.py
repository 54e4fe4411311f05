"""The coordinator's part of discovery: where it listens, there it is announced."""

from __future__ import annotations

from ipaddress import ip_address

from homecluster.agent.coordinator import Coordinator
from homecluster.agent.limits import NEWEST_PROTOCOL
from homecluster.discovery.advertise import announce
from homecluster.discovery.records import ID_CHARS, Advert


async def announce_cluster(coordinator: Coordinator) -> None:
    """Until cancelled; on the address where the coordinator listens, never on loopback."""
    state = coordinator.keeper.state
    advert = Advert(
        cluster=state.cluster_key_sha256[:ID_CHARS],
        name=state.node,
        port=state.port,
        protocol=NEWEST_PROTOCOL,
    )
    await announce(advert, lambda: _public(coordinator.own_address))


def _public(address: str | None) -> tuple[str, ...]:
    if address is None:
        return ()
    one = ip_address(address)
    return () if one.version != 4 or one.is_loopback else (address,)  # noqa: PLR2004 - IPv4
