"""The text that admits one PC: it names the cluster's key, so the joiner knows whom to trust before it tells a secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from homecluster.errors import InputError

ID_BYTES = 5
SECRET_BYTES = 20
"""160 bits: nobody guesses that, so wrong tries need no counting."""
_PIN = r"(?P<pin>[0-9a-f]{64})"
_ADDRESS = r"(?:@(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):(?P<port>[0-9]{1,5}))?"
_TOKEN = re.compile(
    rf"hc1\.{_PIN}\.(?P<id>[0-9a-f]{{{2 * ID_BYTES}}})\.(?P<secret>[0-9a-f]{{{2 * SECRET_BYTES}}}){_ADDRESS}",
    re.ASCII,
)
_PORTS = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinToken:
    """`hc1.PIN.ID.SECRET[@HOST:PORT]`, hex in lower case."""

    cluster_key_sha256: str
    token_id: str
    secret: str = field(repr=False)
    host: str | None = None
    """Where the coordinator listened when the token was made."""
    port: int | None = None


def parse_token(text: str) -> JoinToken:
    """The token in a file or typed on a terminal.

    Raises:
        InputError: it is none; the text is not repeated, since most of it may be a secret.
    """
    found = _TOKEN.fullmatch(text.strip())
    if found is None or (found["port"] and not 0 < int(found["port"]) < _PORTS):
        raise InputError(
            "this is no join token: it starts with hc1. and is one long word",
            hint="make a new one on a PC of the cluster: homecluster token",
        )
    return JoinToken(
        cluster_key_sha256=found["pin"],
        token_id=found["id"],
        secret=found["secret"],
        host=found["host"].strip("[]") if found["host"] else None,
        port=int(found["port"]) if found["port"] else None,
    )


def token_text(token: JoinToken) -> str:
    """As it is printed once, on the PC that made it."""
    text = f"hc1.{token.cluster_key_sha256}.{token.token_id}.{token.secret}"
    if token.host is None:
        return text
    host = f"[{token.host}]" if ":" in token.host else token.host
    return f"{text}@{host}:{token.port}"


def hash_of(secret: str) -> str:
    """What the coordinator keeps of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(secret: str, kept_sha256: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(hash_of(secret), kept_sha256)


def fingerprint(key_sha256: str) -> str:
    """The first half of a key's hash in eight groups, for people to compare."""
    return " ".join(key_sha256[start : start + 4] for start in range(0, 32, 4))
