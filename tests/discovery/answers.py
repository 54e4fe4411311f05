"""Answers as a real responder gives them, made by zeroconf itself."""

from __future__ import annotations

from typing import Any

from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.const import _FLAGS_AA, _FLAGS_QR_RESPONSE

from homecluster.discovery.advertise import service_info
from homecluster.discovery.packets import Sighting
from homecluster.discovery.records import Advert

CLUSTER = "0123456789abcdef"


def advert(**changes: Any) -> Advert:
    values: dict[str, Any] = {"cluster": CLUSTER, "name": "desk", "port": 21000, "protocol": 1}
    return Advert(**(values | changes))


def sighting(source: str = "10.77.0.2", **changes: Any) -> Sighting:
    return Sighting(advert=advert(**changes), source=source, addresses=(source,))


def answer(one: Advert, *addresses: str) -> bytes:
    """PTR, SRV, TXT and A records in one packet."""
    info = service_info(one, addresses)
    out = DNSOutgoing(_FLAGS_QR_RESPONSE | _FLAGS_AA, multicast=False)
    for record in (info.dns_pointer(), info.dns_service(), info.dns_text(), *info.dns_addresses()):
        out.add_answer_at_time(record, 0)
    (packet,) = out.packets()
    return bytes(packet)
