"""How much the agent takes from others before it says no; each number has its reason."""

from __future__ import annotations

from typing import Final

OLDEST_PROTOCOL: Final = 1
NEWEST_PROTOCOL: Final = 1

MAX_BODY_BYTES: Final = 64 * 1024
"""Of a request by a stranger, and of what a verb is asked with."""
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Of a message between members: log tails and inventories; files go through tunnels."""
MAX_DEPTH: Final = 16
MAX_INTEGER: Final = 2**53
"""Beyond it, JSON readers in other languages round."""
MAX_NAME: Final = 64

HANDSHAKE_S: Final = 5.0
STRANGER_S: Final = 15.0
"""A connection without a member's certificate ends after that, whatever it does."""
STRANGERS_PER_ADDRESS: Final = 8
STRANGERS: Final = 64
JOINS_PER_S: Final = 5.0
ASKS_PER_S: Final = 100.0
"""Of one member; a burst of five seconds' worth is taken."""
MAX_CONNECTIONS_PER_MEMBER: Final = 64
"""Its channel and its tunnels."""
MAX_MEMBERS: Final = 256
MAX_TOKENS: Final = 32

BEAT_S: Final = 1.0
SUSPECT_S: Final = 4.0
DEAD_S: Final = 8.0
"""Silence; found at the next look a second later at most, so a crash shows within 10 s."""
CONNECT_S: Final = 5.0
RETRY_MIN_S: Final = 0.3
RETRY_MAX_S: Final = 5.0

TOKEN_LIFE_S: Final = 15 * 60.0
MAX_DEADLINE_S: Final = 3600.0
DEFAULT_PORT: Final = 7433
"""Unassigned at IANA and below the ports that systems hand out by themselves."""
