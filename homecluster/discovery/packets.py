"""The mDNS question for clusters, and the sightings in an answer; bytes in, values out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network
from typing import Final

from homecluster.discovery.records import SERVICE, Advert, advert_of

MAX_PACKET_BYTES: Final = 9000
"""The largest that mDNS allows."""
MAX_ADDRESSES: Final = 4
"""Believed of one answer, its own source among them."""
_MAX_ADVERTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A cluster that somebody announced, and where it might answer."""

    advert: Advert
    source: str
    """Where the packet came from."""
    addresses: tuple[str, ...]
    """To be tried in this order."""


@cache
def question() -> bytes:
    """Who offers a cluster? Asked so that the answer comes straight back, not to everybody."""
    from zeroconf._dns import DNSQuestion  # noqa: PLC0415 - heavy: the command line stays instant
    from zeroconf._protocol.outgoing import DNSOutgoing  # noqa: PLC0415 - as above
    from zeroconf.const import _CLASS_IN, _FLAGS_QR_QUERY, _TYPE_PTR  # noqa: PLC0415 - as above

    ask = DNSQuestion(SERVICE, _TYPE_PTR, _CLASS_IN)
    ask.unicast = True
    out = DNSOutgoing(
        _FLAGS_QR_QUERY, multicast=True
    )  # only so is the wish for a direct answer written
    out.add_question(ask)
    (packet,) = out.packets()
    return bytes(packet)


def sightings(
    packet: bytes, source: str, networks: tuple[IPv4Network, ...]
) -> tuple[Sighting, ...]:
    """What an answer from `source` announces; nothing where it is no answer or makes no sense.

    Addresses outside `networks` are dropped, so that a forged answer cannot send us to dial strangers.
    """
    if len(packet) > MAX_PACKET_BYTES:
        return ()
    from zeroconf._dns import DNSAddress, DNSService, DNSText  # noqa: PLC0415 - heavy, as above
    from zeroconf._protocol.incoming import DNSIncoming  # noqa: PLC0415 - as above

    parsed = DNSIncoming(packet)
    if not parsed.valid or not parsed.is_response():
        return ()
    records = parsed.answers()
    texts = {record.name: record.text for record in records if isinstance(record, DNSText)}
    hosts: dict[str, list[str]] = {}
    for record in records:
        if isinstance(record, DNSAddress):
            hosts.setdefault(record.key, []).append(_address(record.address))
    found: list[Sighting] = []
    for record in records:
        if not isinstance(record, DNSService) or record.name not in texts:
            continue
        advert = advert_of(record.name, record.port, texts[record.name])
        if isinstance(advert, Advert) and len(found) < _MAX_ADVERTS:
            told = hosts.get(record.server_key, [])
            found.append(
                Sighting(advert=advert, source=source, addresses=_usable(source, told, networks))
            )
    return tuple(found)


def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if len(packed) in (4, 16) else ""


def _usable(source: str, told: list[str], networks: tuple[IPv4Network, ...]) -> tuple[str, ...]:
    """The source first: it answered us, over the road that a connection would take."""
    near = [one for one in told if one and any(_within(one, network) for network in networks)]
    return tuple(dict.fromkeys((source, *near)))[:MAX_ADDRESSES]


def _within(address: str, network: IPv4Network) -> bool:
    one = ipaddress.ip_address(address)
    return one.version == network.version and one in network
