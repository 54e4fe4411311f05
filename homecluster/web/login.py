"""Who may look: a link that works once, then a cookie; pure steps, the clock and the chances come in."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

LINK_LIFE_S: Final = 15 * 60.0
SESSION_LIFE_S: Final = 12 * 3600.0
_MOST_SESSIONS: Final = 32


@dataclass(slots=True)
class Doorkeeper:
    """Links and sessions are kept as hashes: reading this process's state opens no door."""

    _links: dict[str, float] = field(default_factory=dict)
    _sessions: dict[str, float] = field(default_factory=dict)

    def offer(self, secret: str, now_s: float) -> None:
        """From now on the link with this secret lets one browser in, for a quarter of an hour."""
        self._links[_hash(secret)] = now_s + LINK_LIFE_S

    def enter(self, secret: str, session: str, now_s: float) -> bool:
        """Whether the link's secret opens; it never does so again, and `session` is let in instead."""
        until_s = self._links.pop(_hash(secret), 0.0)
        if until_s <= now_s:
            return False
        self._sessions = {kept: ends for kept, ends in self._sessions.items() if ends > now_s}
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda kept: self._sessions[kept])]
        self._sessions[_hash(session)] = now_s + SESSION_LIFE_S
        return True

    def knows(self, session: str, now_s: float) -> bool:
        """Whether this cookie was given out and still holds."""
        asked = _hash(session)
        return any(
            hmac.compare_digest(asked, kept) and ends > now_s
            for kept, ends in self._sessions.items()
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
