"""Which pairs may be measured at the same time: rounds in which no host and no medium serves twice; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Pair(NamedTuple):
    """The host that dials, the host that answers."""

    src: str
    dst: str


Conflicts = frozenset[frozenset[Pair]]
"""Two pairs that slow each other down, because they share a medium."""


def all_pairs(hosts: Sequence[str]) -> tuple[Pair, ...]:
    """Every two hosts once, in the order of the hosts: N (N - 1) / 2 pairs."""
    return tuple(Pair(src, dst) for index, src in enumerate(hosts) for dst in hosts[index + 1 :])


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


def apart(pairs: Iterable[Pair], conflicts: Conflicts) -> tuple[tuple[Pair, ...], ...]:
    """The pairs in as few groups as a greedy choice finds, none with a common host or a conflict."""
    groups: list[list[Pair]] = []
    for pair in pairs:
        fitting = next((group for group in groups if _fits(pair, group, conflicts)), None)
        if fitting is None:
            groups.append([pair])
        else:
            fitting.append(pair)
    return tuple(tuple(group) for group in groups)


def _fits(pair: Pair, group: Iterable[Pair], conflicts: Conflicts) -> bool:
    return all(
        not {*pair} & {*other} and frozenset((pair, other)) not in conflicts for other in group
    )
