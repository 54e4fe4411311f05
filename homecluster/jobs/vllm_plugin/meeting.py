"""How the ranks of a group find one another: one connection between any two, each end proven by `handshake`."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from homecluster.jobs.vllm_plugin.handshake import (
    STRANGER_LIMIT_S,
    WELCOME,
    Ticket,
    challenge,
    introduce,
)
from homecluster.jobs.vllm_plugin.trouble import ExchangeError

MOST_STRANGERS: Final = 32
"""More unproven connections than this at once are closed unheard."""
RETRY_S: Final = 0.1

Address = tuple[str, int]


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
            rank = challenge(self._ticket, connection, self._deadline)
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
        introduce(ticket, other, connection, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _names(ranks: Sequence[int]) -> str:
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"


def hang_up(connection: socket.socket) -> None:
    """Close, and wake whoever reads from it in another thread."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
