"""Ranks of an exchange as threads of one process, over real sockets on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from homecluster.jobs.vllm_plugin.handshake import Ticket
from homecluster.jobs.vllm_plugin.meeting import Address, meet, open_listener
from homecluster.jobs.vllm_plugin.mesh import Mesh
from tests.ports import unused_port

HOST = "127.0.0.1"
TOKEN = b"a token of thirty-two bytes, yes!"
GENEROUS_S = 30.0

Result = TypeVar("Result")


def ticket(rank: int, ranks: int, *, token: bytes = TOKEN, group: str = "tp:0") -> Ticket:
    return Ticket(rank=rank, ranks=ranks, group=group, token=token)


def listeners(ranks: int) -> tuple[list[socket.socket], list[Address]]:
    made = [open_listener(HOST, unused_port()) for _ in range(ranks)]
    return made, [listener.getsockname()[:2] for listener in made]


def together(calls: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """What each call returned or raised, all run at once."""

    def outcome(call: Callable[[], Result]) -> Result | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - a test looks at it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def meshes(ranks: int, *, limit_s: float = GENEROUS_S) -> list[Mesh]:
    """A connected group, by rank."""
    made, addresses = listeners(ranks)

    def joined(rank: int) -> Mesh:
        met = meet(ticket(rank, ranks), made[rank], addresses, limit_s=GENEROUS_S)
        return Mesh(rank, met, limit_s=limit_s)

    with ThreadPoolExecutor(ranks) as pool:
        return list(pool.map(joined, range(ranks)))


def pair(*, limit_s: float = GENEROUS_S) -> tuple[Mesh, socket.socket]:
    """Rank 0 of two, and the bare far end of its connection."""
    near, far = socket.socketpair()
    return Mesh(0, {1: near}, limit_s=limit_s), far
