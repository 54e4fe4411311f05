"""What a cluster announces of itself by mDNS, as values and as records; pure, and suspicious of all it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SERVICE: Final = "_homecluster._tcp.local."
ID_CHARS: Final = 16
"""Of the cluster key's hash in hex: 64 bits, enough to find the cluster; trust needs the whole hash."""
MAX_RECORD_BYTES: Final = 400
"""Of a TXT record; ours has about 30."""
_ID: Final = re.compile(rf"[0-9a-f]{{{ID_CHARS}}}")
_LABEL: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?)-([0-9a-f]{8})")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,3}")
_NAME_CHARS: Final = 40
_LABEL_ID_CHARS: Final = 8
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Advert:
    """One cluster, as its coordinator announces it; nothing in it is a proof of anything."""

    cluster: str
    """The first ID_CHARS of the cluster key's hash."""
    name: str
    """The coordinator's name, for people to choose by."""
    port: int
    protocol: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why a record is not an advert of ours."""

    reason: str


def instance_label(advert: Advert) -> str:
    """The advert's own name among those of its service: readable, and unique by the cluster's id."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", advert.name)[:_NAME_CHARS].strip("-") or "pc"
    return f"{name}-{advert.cluster[:_LABEL_ID_CHARS]}"


def text_properties(advert: Advert) -> dict[str, str]:
    """The TXT record: version and cluster; no user, no hardware, no secret."""
    return {"v": str(advert.protocol), "id": advert.cluster}


def advert_of(instance: str, port: int, text: bytes) -> Advert | Unfit:
    """The advert in a service instance's name, its SRV port and its raw TXT record."""
    if len(text) > MAX_RECORD_BYTES:
        return Unfit(reason=f"its record has {len(text)} bytes, {MAX_RECORD_BYTES} at most")
    label = _LABEL.fullmatch(instance.removesuffix(f".{SERVICE}"))
    if label is None:
        return Unfit(reason="its name is not one that homecluster gives")
    properties = parse_text(text)
    if isinstance(properties, Unfit):
        return properties
    cluster, version = properties.get("id", ""), properties.get("v", "")
    if not _ID.fullmatch(cluster) or not cluster.startswith(label[2]):
        return Unfit(reason="its cluster id is malformed or not that of its name")
    if not _VERSION.fullmatch(version):
        return Unfit(reason="its protocol version is malformed")
    if not 1 <= port <= _PORT_MAX:
        return Unfit(reason=f"port {port} is none")
    return Advert(cluster=cluster, name=label[1], port=port, protocol=int(version))


def parse_text(text: bytes) -> Mapping[str, str] | Unfit:
    """The key=value strings of a TXT record; other strings are passed over, a repeated key is refused."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = at + 1 + text[at]
        if end > len(text):
            return Unfit(reason="its record is cut off")
        key, equals, value = text[at + 1 : end].partition(b"=")
        at = end
        if not equals:
            continue
        try:
            name, words = key.decode("ascii").lower(), value.decode("ascii")
        except UnicodeDecodeError:
            continue
        if name in found:
            return Unfit(reason=f"its record says {name!r} twice")
        found[name] = words
    return found
