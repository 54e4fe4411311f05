"""The address that answers is chosen, not the first listed."""

from __future__ import annotations

import asyncio

import pytest

from homecluster.discovery.first_answer import Address, Answered, NoAnswer, first_answer

A, B, C = ("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.3", 1)


class Dialler:
    """Addresses that never answer, that refuse, and that answer."""

    def __init__(self, **fate: str) -> None:
        self.fate = fate
        self.tried: list[Address] = []
        self.cancelled: list[Address] = []

    async def __call__(self, address: Address) -> str:
        self.tried.append(address)
        match self.fate[address[0][-1]]:
            case "refuses":
                raise OSError("refused")
            case "silent":
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    self.cancelled.append(address)
                    raise
        return f"hello from {address[0]}"


def fate_of(**fate: str) -> Dialler:
    return Dialler(**{"1": fate["a"], "2": fate["b"], "3": fate.get("c", "silent")})


def choose(dial: Dialler, *addresses: Address, limit_s: float = 30.0) -> object:
    return asyncio.run(first_answer(addresses, dial, stagger_s=0.01, limit_s=limit_s))


def test_a_silent_first_address_does_not_keep_the_second_from_winning() -> None:
    dial = fate_of(a="silent", b="answers")
    assert choose(dial, A, B, C) == Answered(address=B, answer="hello from 10.0.0.2")
    assert A in dial.cancelled


def test_a_refusal_goes_on_at_once() -> None:
    dial = fate_of(a="refuses", b="refuses", c="answers")
    assert isinstance(choose(dial, A, B, C), Answered)


def test_no_answer_says_why_for_each_address() -> None:
    dial = fate_of(a="refuses", b="silent")
    found = choose(dial, A, B, limit_s=0.1)
    assert found == NoAnswer(reasons=((A, "refused"), (B, "did not answer in time")))
    assert dial.cancelled == [B]


def test_an_address_listed_twice_is_dialled_once() -> None:
    dial = fate_of(a="refuses", b="refuses")
    choose(dial, A, A, B, A)
    assert dial.tried == [A, B]


def test_no_address_is_no_answer() -> None:
    assert choose(fate_of(a="silent", b="silent")) == NoAnswer(reasons=())


def test_our_own_bug_comes_out_as_it_is() -> None:
    async def broken(_: Address) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(first_answer([A], broken))
