"""Which requests the address lets in: a list of open paths, the key on them, and limits."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

OPEN: Final = {
    "/health": ("GET",),
    "/metrics": ("GET",),
    "/v1/models": ("GET",),
    "/v1/chat/completions": ("POST",),
    "/v1/completions": ("POST",),
    "/v1/embeddings": ("POST",),
}
"""Path -> methods. vLLM's other paths (/tokenize, /pause, /invocations, …) stay closed: some act on one
copy only, some stop it."""
WITHOUT_KEY: Final = ("/health",)
"""Says only whether anybody serves, and is what load balancers and service managers ask."""
MAX_BODY_BYTES: Final = 32 * 1024**2
"""A long prompt is some megabytes; pictures in a chat are the largest that people send."""
MAX_READING_BYTES: Final = 256 * 1024**2
"""Of all bodies that are coming in: whoever sends slowly must not fill the memory."""
MAX_HEADER_BYTES: Final = 16 * 1024
BODY_WITHIN_S: Final = 60.0
MAX_IN_FLIGHT: Final = 2048
"""More would only wait inside the engines."""

PASSED_ON: Final = ("content-type", "accept", "x-request-id")
"""Headers of the client that a copy gets to see; its key and its cookies stay here."""
PASSED_BACK: Final = ("content-type", "x-request-id", "cache-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    status: int
    words: str


def refusal(
    *, method: str, path: str, headers: Mapping[str, str], key_digest: bytes | None
) -> Refused | None:
    """Why a request is not let in, judged by its head; None for a welcome one.

    `headers` has lower-case names; a key is compared by its digest, in constant time.
    """
    needs_key = key_digest is not None and path not in WITHOUT_KEY
    if needs_key and not _has_key(headers.get("authorization", ""), key_digest or b""):
        return Refused(status=401, words="the API key is missing or wrong")
    if key_digest is None and not _is_address_or_local(headers.get("host", "")):
        # A web page of a domain that was rebound to this PC sends that domain as Host.
        return Refused(status=403, words="unknown host name")
    if key_digest is None and not _is_from_here(headers.get("origin")):
        return Refused(
            status=403, words="a page of another site asked, and no key guards this address"
        )
    methods = OPEN.get(path)
    if methods is None:
        return Refused(status=404, words="not an open path")
    if method not in methods:
        return Refused(status=405, words=f"{path} takes {methods[0]} only")
    if headers.get("content-encoding", "identity").lower() != "identity":
        # A few KiB unpack to gigabytes, past the limit on what is coming in.
        return Refused(status=415, words="send the body uncompressed")
    return None


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _has_key(authorization: str, key_digest: bytes) -> bool:
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(digest(given.strip()), key_digest)
    return scheme.lower() == "bearer" and same


def _is_from_here(origin: str | None) -> bool:
    """Programs send no origin; a page in a sandboxed frame of any site sends `null`."""
    return origin is None or _is_address_or_local(origin.partition("://")[2])


def _is_address_or_local(host: str) -> bool:
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
