"""Who may measure: versions, nonces and the proofs that both ends hold the same secret; pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from netprobe.control.fields import Document, MalformedError, child, hex_bytes, integer, text

OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 1
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
TIMEOUT_S: Final = 5.0
_VERSION_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first line of each side; `secret` names what the caller will prove: token, a ticket, or none."""

    oldest: int
    newest: int
    nonce: bytes
    secret: str

    def document(self) -> Document:
        return {
            "netprobe": {"oldest": self.oldest, "newest": self.newest},
            "nonce": self.nonce.hex(),
            "secret": self.secret,
        }


def parse_hello(document: Document) -> Hello:
    """Raises MalformedError when this is not netprobe's first line."""
    versions = child(document, "netprobe")
    hello = Hello(
        oldest=integer(versions, "oldest", low=0, high=_VERSION_MAX),
        newest=integer(versions, "newest", low=0, high=_VERSION_MAX),
        nonce=hex_bytes(document, "nonce", size=NONCE_BYTES),
        secret=text(document, "secret"),
    )
    if hello.oldest > hello.newest:
        raise MalformedError("oldest version is above newest")
    return hello


def agree(far: Hello, *, far_name: str) -> tuple[int | None, str]:
    """(the newest version that both speak, "") or (None, which side to upgrade)."""
    version = min(NEWEST_VERSION, far.newest)
    if version >= max(OLDEST_VERSION, far.oldest):
        return version, ""
    ours, theirs = _span(OLDEST_VERSION, NEWEST_VERSION), _span(far.oldest, far.newest)
    outdated = far_name if far.newest < OLDEST_VERSION else "this side"
    return None, (
        f"this side speaks netprobe protocol {ours}, {far_name} speaks {theirs}: "
        f"upgrade homecluster on {outdated}"
    )


def _span(oldest: int, newest: int) -> str:
    return str(newest) if oldest == newest else f"{oldest} to {newest}"


def proof(secret: bytes, role: str, client: Hello, server: Hello) -> bytes:
    """HMAC-SHA256 over the role and both first lines, so neither can be replayed, reflected or altered."""
    transcript = "\n".join(
        (
            f"netprobe {role}",
            f"{client.oldest} {client.newest} {client.nonce.hex()} {client.secret}",
            f"{server.oldest} {server.newest} {server.nonce.hex()} {server.secret}",
        )
    )
    return hmac.new(secret, transcript.encode(), hashlib.sha256).digest()
