"""How the ranks of a group find one another: one connection between any two, each end proven by the job's token.

    connector                                  listener
        hello, group, its rank, nonce    ->
                                         <-    nonce, proof of the token
        proof of the token               ->
                                         <-    welcome

The proofs differ by direction and cover both nonces, the group and both ranks, so none can be replayed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
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
MOST_STRANGERS: Final = 32
"""More unproven connections than this at once are closed unheard."""
RETRY_S: Final = 0.1

Address = tuple[str, int]

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


def open_listener(address: str, port: int = 0) -> socket.socket:
    """Listens on this address alone: the interface of the cluster, never all of them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=MOST_STRANGERS)
    listener.settimeout(RETRY_S)
    return listener


def meet(
    ticket: Ticket,
    listener: socket.socket,
    addresses: Sequence[Address],
    *,
    limit_s: float,
    tell: Callable[[str], None] = lambda _line: None,
) -> dict[int, socket.socket]:
    """A connected socket for every other rank; `addresses` are the listeners' by rank.

    Each rank connects to those before it and accepts those after it, in whatever order they come.
    The listener is closed on return and on failure alike.

    Raises:
        ExchangeError: some rank was not met within `limit_s`; names them.
    """
    deadline = time.monotonic() + limit_s
    hall = _Hall(ticket, listener, deadline, tell)
    met: dict[int, socket.socket] = {}
    try:
        hall.open()
        for other in range(ticket.rank):
            met[other] = _connect(ticket, other, addresses[other], deadline)
        met |= hall.guests()
    except BaseException:
        for connection in met.values():
            hang_up(connection)
        hall.close(keep_guests=False)
        raise
    hall.close(keep_guests=True)
    return met


class _Hall:
    """Where later ranks arrive: strangers are heard side by side, so none delays another."""

    def __init__(
        self,
        ticket: Ticket,
        listener: socket.socket,
        deadline: float,
        tell: Callable[[str], None],
    ) -> None:
        self._ticket, self._listener, self._deadline, self._tell = ticket, listener, deadline, tell
        self._met: dict[int, socket.socket] = {}
        self._awaited = set(range(ticket.rank + 1, ticket.ranks))
        self._strangers: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._porter = threading.Thread(target=self._accept, daemon=True)

    def open(self) -> None:
        if self._awaited:
            self._porter.start()

    def guests(self) -> dict[int, socket.socket]:
        """All later ranks, once they are here."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._met.keys() == self._awaited,
                timeout=max(0.0, self._deadline - time.monotonic()),
            )
            missing = sorted(self._awaited - self._met.keys())
            if missing:
                raise ExchangeError(
                    f"{_names(missing)} did not come to meet rank {self._ticket.rank}"
                )
            self._closed = True
            return dict(self._met)

    def close(self, *, keep_guests: bool) -> None:
        """From here on nobody can connect."""
        with self._changed:
            self._closed = True
            unwanted = set(self._strangers)
            if not keep_guests:
                unwanted |= set(self._met.values())
        if self._porter.is_alive():
            self._porter.join()
        self._listener.close()
        for connection in unwanted:
            hang_up(connection)

    def _accept(self) -> None:
        while True:
            with self._changed:
                if self._closed or self._met.keys() == self._awaited:
                    return
            try:
                connection, address = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed meanwhile
            self._receive(connection, str(address[0]))

    def _receive(self, connection: socket.socket, address: str) -> None:
        with self._changed:
            crowded = len(self._strangers) >= MOST_STRANGERS
            if not crowded:
                self._strangers.add(connection)
        if crowded:
            connection.close()
            return
        threading.Thread(target=self._hear, args=(connection, address), daemon=True).start()

    def _hear(self, connection: socket.socket, address: str) -> None:
        try:
            rank = _challenge(self._ticket, connection, self._deadline)
            self._welcome(rank, connection)
        except (OSError, ExchangeError, ValueError) as error:
            connection.close()
            self._tell(f"a connection from {address} was refused: {error}")
        finally:
            with self._changed:
                self._strangers.discard(connection)

    def _welcome(self, rank: int, connection: socket.socket) -> None:
        with self._changed:
            if self._closed or rank not in self._awaited:
                raise ExchangeError(f"rank {rank} is not awaited")
            connection.sendall(WELCOME)
            self._strangers.discard(connection)
            lost = self._met.pop(rank, None)  # it never heard its welcome, and came again
            if lost is not None:
                hang_up(lost)
            self._met[rank] = connection
            self._changed.notify_all()


def _challenge(ticket: Ticket, connection: socket.socket, deadline: float) -> int:
    """The listener's side: the rank of a connector that knows the token."""
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


def _connect(ticket: Ticket, other: int, address: Address, deadline: float) -> socket.socket:
    """The connector's side, tried until the deadline: the listener may not have started yet."""
    where = f"rank {other} at {address[0]} port {address[1]}"
    trouble: Exception = TimeoutError("no time was left")
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            return _introduced(ticket, other, address, deadline, min(STRANGER_LIMIT_S, left_s))
        except OSError as error:
            trouble = error
        except ExchangeError as error:
            raise ExchangeError(f"rank {ticket.rank} did not meet {where}: {error}") from error
        time.sleep(min(RETRY_S, max(0.0, deadline - time.monotonic())))
    raise ExchangeError(f"rank {ticket.rank} did not meet {where}: {trouble}") from trouble


def _introduced(
    ticket: Ticket, other: int, address: Address, deadline: float, limit_s: float
) -> socket.socket:
    connection = socket.create_connection(address, timeout=limit_s)
    try:
        _introduce(ticket, other, connection, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _introduce(ticket: Ticket, other: int, connection: socket.socket, deadline: float) -> None:
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


def _names(ranks: Sequence[int]) -> str:
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"


def hang_up(connection: socket.socket) -> None:
    """Close, and wake whoever reads from it in another thread."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
