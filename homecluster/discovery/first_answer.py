"""Which of several addresses really answers: dialled one after the other, a moment apart, the first to succeed wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

STAGGER_S: Final = 0.25
"""As browsers do between IPv6 and IPv4 (RFC 8305)."""

Address = tuple[str, int]
A = TypeVar("A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[A]):
    """The address that answered, and what dialling it gave."""

    address: Address
    answer: A


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Why none did, one reason per address, in the order tried."""

    reasons: tuple[tuple[Address, str], ...]


async def first_answer(
    addresses: Sequence[Address],
    dial: Callable[[Address], Awaitable[A]],
    *,
    failures: tuple[type[Exception], ...] = (OSError, TimeoutError),
    limit_s: float = 10.0,
    stagger_s: float = STAGGER_S,
) -> Answered[A] | NoAnswer:
    """The first address whose `dial` succeeds; the others are cancelled.

    The next address is tried after `stagger_s`, or at once when one has failed.
    `dial` must raise one of `failures` for an address that is not the wanted one
    (say, one that does not hold the pinned key). It closes what it opened: its answer is a plain value,
    because two may succeed at once and one of them is dropped.
    """
    reasons: dict[Address, str] = {}
    waiting = list(dict.fromkeys(addresses))
    running: dict[asyncio.Task[A], Address] = {}
    loop = asyncio.get_running_loop()
    until = loop.time() + limit_s
    try:
        while (waiting or running) and (left_s := until - loop.time()) > 0:
            if waiting:
                address = waiting.pop(0)
                running[asyncio.ensure_future(_dialled(dial, address))] = address
            pause_s = min(left_s, stagger_s) if waiting else left_s
            done, _ = await asyncio.wait(
                running, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    return Answered(address=address, answer=task.result())
                if not isinstance(error, failures):
                    raise error
                reasons[address] = str(error) or type(error).__name__
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    silent = dict.fromkeys((*running.values(), *waiting), "did not answer in time")
    told = reasons | silent
    return NoAnswer(
        reasons=tuple((one, told[one]) for one in dict.fromkeys(addresses) if one in told)
    )


async def _dialled(dial: Callable[[Address], Awaitable[A]], address: Address) -> A:
    return await dial(address)
