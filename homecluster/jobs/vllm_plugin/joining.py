"""How a tensor-parallel group of the engine becomes an exchange: environment, token, addresses, meeting."""

from __future__ import annotations

import secrets
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from homecluster.domain.small_collectives import SmallCollectives
from homecluster.jobs.vllm_plugin.handshake import Ticket
from homecluster.jobs.vllm_plugin.meeting import Address, meet, open_listener
from homecluster.jobs.vllm_plugin.mesh import Mesh
from homecluster.jobs.vllm_plugin.trouble import ExchangeError

CHOICE_VARIABLE: Final = "HOMECLUSTER_SMALL_COLLECTIVES"
TOKEN_VARIABLE: Final = "HOMECLUSTER_EXCHANGE_TOKEN_FILE"  # noqa: S105 - a name
LIMIT_VARIABLE: Final = "HOMECLUSTER_EXCHANGE_LIMIT_S"
DEFAULT_LIMIT_S: Final = 120.0
"""Ranks of unlike speed wait for one another at most as long as the slowest computes: seconds, not minutes."""
MEETING_LIMIT_S: Final = 30.0
"""All ranks have just spoken to one another through the engine, so all are there."""
TOKEN_BYTES: Final = 32

AllGather = Callable[[Any], list[Any]]
"""The engine's own: one object of each rank, in the order of ranks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the environment of this rank asks for."""

    token: bytes | None = field(repr=False)
    limit_s: float


def wish(environment: Mapping[str, str]) -> Wish | None:
    """None where the engine's own collectives are wanted, as they are by default.

    Raises:
        ExchangeError: the variables make no sense, or others may read the token's file.
    """
    choice = environment.get(CHOICE_VARIABLE, SmallCollectives.ENGINE)
    if choice == SmallCollectives.ENGINE:
        return None
    if choice != SmallCollectives.EXCHANGE:
        raise ExchangeError(f"{CHOICE_VARIABLE} is {choice[:40]!r}; it may be engine or exchange")
    path = environment.get(TOKEN_VARIABLE)
    return Wish(token=_read_token(Path(path)) if path else None, limit_s=_limit_s(environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What each rank tells all others before they meet."""

    wants: bool = False
    """The exchange; else the engine's own."""
    address: Address | None = None
    """Where it listens."""
    has_token: bool = False
    """From a file; only that it has one is told."""
    made_token: bytes | None = field(default=None, repr=False)
    """By the first rank, where the job has none."""
    trouble: str = ""


def join(
    *,
    environment: Mapping[str, str],
    rank: int,
    ranks: int,
    group: str,
    address: str,
    all_gather: AllGather,
) -> Mesh | None:
    """The mesh of this group, None where all ranks want the engine's own; called by all at the same point.

    Without a token of its own the group uses one that its first rank makes and the engine's own
    connections carry: that keeps strangers out who do not already listen to the engine.
    Whatever is wrong on one rank is told to all, so that none waits for it.

    Raises:
        ExchangeError: a rank is missing or in trouble, or the ranks have different wishes.
    """
    wanted, listener, card = _prepare(environment, rank, address)
    try:
        seen: list[Card] = all_gather(card)
        _check_alike(seen)
    except BaseException:
        if listener is not None:
            listener.close()
        raise
    if wanted is None:
        return None
    assert listener is not None
    token = wanted.token or seen[0].made_token
    assert token is not None
    ticket = Ticket(rank=rank, ranks=ranks, group=group, token=token)
    addresses = [each.address for each in seen if each.address is not None]
    met = meet(ticket, listener, addresses, limit_s=min(MEETING_LIMIT_S, wanted.limit_s))
    return Mesh(rank, met, limit_s=wanted.limit_s)


def _prepare(
    environment: Mapping[str, str], rank: int, address: str
) -> tuple[Wish | None, socket.socket | None, Card]:
    try:
        wanted = wish(environment)
        if wanted is None:
            return None, None, Card()
        listener = open_listener(address)
    except (ExchangeError, OSError) as error:
        return None, None, Card(trouble=f"rank {rank} at {address}: {error}")
    host, port = listener.getsockname()[:2]
    made = secrets.token_bytes(TOKEN_BYTES) if rank == 0 and wanted.token is None else None
    has_token = wanted.token is not None
    card = Card(wants=True, address=(host, port), has_token=has_token, made_token=made)
    return wanted, listener, card


def _check_alike(seen: Sequence[Card]) -> None:
    troubles = [each.trouble for each in seen if each.trouble]
    if troubles:
        raise ExchangeError("; ".join(troubles))
    for said, variable in (
        ([each.wants for each in seen], f"{CHOICE_VARIABLE}={SmallCollectives.EXCHANGE}"),
        ([each.has_token for each in seen], TOKEN_VARIABLE),
    ):
        if len(set(said)) > 1:
            without = ", ".join(str(rank) for rank, has in enumerate(said) if not has)
            raise ExchangeError(f"{variable} is set on some ranks only: not on {without}")


def _read_token(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_bytes().strip()
    except OSError as error:
        raise ExchangeError(f"{TOKEN_VARIABLE}: {path}: {error.strerror}") from error
    if mode & 0o077:
        raise ExchangeError(f"{path} may be read by others (mode {mode:o}); it must be 600")
    if len(token) < TOKEN_BYTES:
        raise ExchangeError(f"{path} holds fewer than {TOKEN_BYTES} bytes")
    return token


def _limit_s(environment: Mapping[str, str]) -> float:
    text = environment.get(LIMIT_VARIABLE)
    if text is None:
        return DEFAULT_LIMIT_S
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = 0.0
    if not 0 < limit_s < float("inf"):
        raise ExchangeError(f"{LIMIT_VARIABLE} is {text[:40]!r}; it must be seconds, more than 0")
    return limit_s
