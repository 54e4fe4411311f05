"""How two ranks prove to each other that they know the job's token.

    connector                                  listener
        hello, group, its rank, nonce    ->
                                         <-    nonce, proof of the token
        proof of the token               ->
                                         <-    welcome

The proofs differ by direction and cover both nonces, the group and both ranks, so none can be replayed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Final

from homecluster.jobs.vllm_plugin.trouble import ExchangeError

HELLO: Final = b"homecluster-exchange/1"
WELCOME: Final = b"welcome!"
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
SHORTEST_TOKEN_BYTES: Final = 16
STRANGER_LIMIT_S: Final = 5.0
"""So long may one connection take to prove itself."""

_HELLO: Final = struct.Struct(f"!{len(HELLO)}s32sB{NONCE_BYTES}s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a rank must know to meet the others."""

    rank: int
    ranks: int
    group: str
    """Two groups of one job must not mistake each other."""
    token: bytes = field(repr=False)

    def __post_init__(self) -> None:
        assert 0 <= self.rank < self.ranks
        assert len(self.token) >= SHORTEST_TOKEN_BYTES

    @property
    def group_digest(self) -> bytes:
        return hashlib.sha256(f"{self.ranks}:{self.group}".encode()).digest()

    def proof(self, role: bytes, connector: int, listener: int, nonces: bytes) -> bytes:
        said = HELLO + role + self.group_digest + bytes((connector, listener)) + nonces
        return hmac.digest(self.token, said, "sha256")


def challenge(ticket: Ticket, connection: socket.socket, deadline: float) -> int:
    """The listener's side: the rank of a connector that knows the token, which now waits for its welcome.

    Raises:
        ExchangeError, OSError: it does not prove itself in time.
    """
    until = min(deadline, time.monotonic() + STRANGER_LIMIT_S)
    said, digest, rank, theirs = _HELLO.unpack(_receive_exactly(connection, _HELLO.size, until))
    if said != HELLO or not hmac.compare_digest(digest, ticket.group_digest):
        raise ExchangeError("it does not belong to this group")
    ours = os.urandom(NONCE_BYTES)
    nonces = theirs + ours
    connection.sendall(ours + ticket.proof(b"listener", rank, ticket.rank, nonces))
    proof = _receive_exactly(connection, PROOF_BYTES, until)
    if not hmac.compare_digest(proof, ticket.proof(b"connector", rank, ticket.rank, nonces)):
        raise ExchangeError("it does not know the job's token")
    return int(rank)


def introduce(ticket: Ticket, other: int, connection: socket.socket, deadline: float) -> None:
    """The connector's side: returns once the listener `other` has proven itself and welcomed this rank.

    Raises:
        ExchangeError, OSError: it does not, or not in time.
    """
    until = min(deadline, time.monotonic() + STRANGER_LIMIT_S)
    ours = os.urandom(NONCE_BYTES)
    connection.sendall(_HELLO.pack(HELLO, ticket.group_digest, ticket.rank, ours))
    theirs = _receive_exactly(connection, NONCE_BYTES, until)
    nonces = ours + theirs
    proof = _receive_exactly(connection, PROOF_BYTES, until)
    if not hmac.compare_digest(proof, ticket.proof(b"listener", ticket.rank, other, nonces)):
        raise ExchangeError("it does not know the job's token")
    connection.sendall(ticket.proof(b"connector", ticket.rank, other, nonces))
    if _receive_exactly(connection, len(WELCOME), until) != WELCOME:
        raise ExchangeError("it did not welcome this rank")


def _receive_exactly(connection: socket.socket, count: int, until: float) -> bytes:
    received = b""
    while len(received) < count:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("it said too little in time")
        connection.settimeout(left_s)
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionError("it hung up")
        received += chunk
    return received
