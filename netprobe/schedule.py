"""Which pairs may be measured at the same time: rounds in which no host serves twice; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Pair(NamedTuple):
    """The host that dials, the host that answers."""

    src: str
    dst: str


def rounds(hosts: Sequence[str]) -> tuple[tuple[Pair, ...], ...]:
    """Every pair once, each host at most once a round: N - 1 rounds for even N, N for odd.

    The circle method: one host stays, the others turn; with odd N an empty seat turns along.
    """
    seats: list[str | None] = [*hosts, *([None] if len(hosts) % 2 else [])]
    order = {host: index for index, host in enumerate(hosts)}
    turns: list[tuple[Pair, ...]] = []
    for _ in range(len(seats) - 1):
        facing = zip(seats[: len(seats) // 2], reversed(seats[len(seats) // 2 :]), strict=True)
        turns.append(
            tuple(
                Pair(*sorted((one, other), key=order.__getitem__))
                for one, other in facing
                if one is not None and other is not None
            )
        )
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return tuple(turns)
