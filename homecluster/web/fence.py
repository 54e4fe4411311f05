"""Which requests are answered at all: only of this address's own pages, only with a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_USUAL_PORT: Final = 80
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "homecluster",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What matters of one request."""

    host: str
    origin: str | None
    fetch_site: str | None
    """`Sec-Fetch-Site`, where the browser says it."""
    is_login: bool


def refusal(asked: Asked, hosts: frozenset[str]) -> str | None:
    """Why it is not answered, or None.

    A foreign name that resolves to this address (DNS rebinding) arrives with its own Host; a foreign
    page's request arrives with its own Origin. Following the login link from a chat is the one request
    that may come from elsewhere.
    """
    if asked.host.lower() not in hosts:
        return "this address is not served here"
    if asked.origin is not None and asked.origin.lower() not in {
        f"http://{host}" for host in hosts
    }:
        return "another site asked"
    if asked.fetch_site not in (None, "same-origin", "none") and not asked.is_login:
        return "another site asked"
    return None


def served_hosts(host: str, port: int) -> frozenset[str]:
    """The Host headers with which this server may be asked."""
    shown = f"[{host}]" if ":" in host else host.lower()
    names = {shown, "localhost"} if host in {"127.0.0.1", "::1"} else {shown}
    usual = names if port == _USUAL_PORT else set()  # browsers leave it out
    return frozenset({f"{name}:{port}" for name in names} | usual)
