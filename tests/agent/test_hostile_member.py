"""A PC with a valid key that does not keep to the protocol gets no further than a worker, and harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from homecluster.agent import listener
from homecluster.agent.messages import Hello, text_of
from homecluster.agent.trust import member_context
from homecluster.app.verbs import all_verbs
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from tests.agent.town import Pc, Town

LIMIT_S = 60.0


@asynccontextmanager
async def dialled(town: Town, pc: Pc, path: str = "/v1/channel") -> AsyncIterator[Any]:
    """A WebSocket with that member's own key and certificate."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"wss://127.0.0.1:{town.port}{path}",
            ssl=member_context(pc.folder),
            timeout=aiohttp.ClientWSTimeout(ws_receive=LIMIT_S),
        ) as socket,
    ):
        yield socket


async def said_hello(socket: Any, **changes: Any) -> dict[str, Any]:
    hello = json.loads(
        text_of(Hello(instance="x", versions={}, interface=None, can_be_dialled=True))
    )
    await socket.send_str(json.dumps(hello | changes))
    return json.loads(await socket.receive_str())


@pytest.fixture
def thief(town: Town) -> Pc:
    """A worker whose key somebody else uses; its own agent is off."""
    a = town.coordinator()
    b = town.member("b", a)
    b.stop()
    return b


def still_works(town: Town) -> bool:
    """Whether another PC can join and ask."""
    a = next(pc for pc in town._pcs if pc.home.name == "a")
    c = town.member("c", a)
    return c.local.ask(NodeId("a"), "agent.echo", {"echo": 1}, deadline_s=30) == {"echo": 1}


GARBAGE: list[Any] = [
    "",
    "{}",
    "[" * 5000,
    '{"type": "ask"}',
    '{"type": "welcome", "epoch": 99, "node": "b", "role": "operator", "protocol": 1}',
    '{"type": "dial", "stream": "x", "job": "y"}',
    '{"type": "answer", "id": "1", "body": {}, "message": ""}',
    '{"type": "nostream", "stream": "x", "reason": "y"}',
    '{"type": "hello"}',
    "x" * 2_000_000,
    b"\x00\xff",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text[:18]))
def test_garbage_ends_the_connection_at_most(town: Town, thief: Pc, garbage: Any) -> None:
    async def say() -> None:
        async with dialled(town, thief) as socket:
            assert (await said_hello(socket))["type"] == "welcome"
            if isinstance(garbage, bytes):
                await socket.send_bytes(garbage)
            else:
                await socket.send_str(garbage)
            await asyncio.sleep(0.05)

    with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # it may hang up while we speak
        town.do(say())
    assert still_works(town)


@pytest.mark.parametrize("first", ["", "{}", '{"type": "beat"}', "[" * 90, b"\x00"])
def test_without_a_hello_there_is_no_channel(town: Town, thief: Pc, first: Any) -> None:
    async def say() -> Any:
        async with dialled(town, thief) as socket:
            await (socket.send_bytes if isinstance(first, bytes) else socket.send_str)(first)
            return (await socket.receive()).type

    assert town.do(say()) in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    assert still_works(town)


def test_a_role_or_an_asker_that_it_claims_is_ignored(town: Town, thief: Pc) -> None:
    async def ask() -> dict[str, Any]:
        async with dialled(town, thief) as socket:
            await said_hello(socket)
            claim = {
                "type": "ask", "id": "1", "to": "", "verb": "cluster.token", "deadline_s": 30,
                "body": {"role": "operator"}, "asker": "a", "role": "operator",
            }  # fmt: skip
            await socket.send_str(json.dumps(claim))
            return json.loads(await socket.receive_str())

    answer = town.do(ask())

    assert answer["error"] == "peer"
    assert "b is a worker" in answer["message"]


def test_no_verb_for_operators_is_open_to_a_worker(town: Town, thief: Pc) -> None:
    names = [verb.name for verb in all_verbs() if verb.needs is Role.OPERATOR]
    names += ["cluster.token", "cluster.revoke"]

    async def ask() -> list[str]:
        async with dialled(town, thief) as socket:
            await said_hello(socket)
            errors = []
            for number, name in enumerate(names):
                to = "" if name.startswith("cluster.") else "a"
                wish = {
                    "type": "ask", "id": str(number), "to": to, "verb": name, "deadline_s": 30, "body": {},
                }  # fmt: skip
                await socket.send_str(json.dumps(wish))
                errors.append(json.loads(await socket.receive_str())["message"])
            return errors

    assert [text for text in town.do(ask()) if "is for operators" not in text] == []
    assert len(names) > 3


def test_what_starts_or_stops_something_is_for_operators() -> None:
    acting = {"start", "stop", "launch", "kill", "end", "remove", "install"}

    assert [
        verb.name
        for verb in all_verbs()
        if verb.needs is not Role.OPERATOR
        and acting & set(verb.name.split("."))
        and not verb.name.startswith(
            "probe."
        )  # a listener for one measurement, which ends by itself
    ] == []


def test_a_member_opens_no_more_connections_than_it_may(
    town: Town, thief: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homecluster.agent.listener.MAX_CONNECTIONS_PER_MEMBER", 1)

    async def one_more() -> None:
        async with dialled(town, thief) as socket:
            await said_hello(socket)
            async with dialled(town, thief):
                pass

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        town.do(one_more())
    assert refused.value.status == 429


def test_a_stream_that_nobody_asked_for_is_hung_up(town: Town, thief: Pc) -> None:
    async def bring() -> Any:
        async with dialled(town, thief, "/v1/stream?id=guessed") as socket:
            return (await socket.receive()).type

    async def want() -> int:
        try:
            async with dialled(town, thief, "/v1/stream?to=a&job=x"):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    assert town.do(bring()) in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    assert town.do(want()) == 403


def test_too_new_a_version_is_told_where_to_upgrade(town: Town, thief: Pc) -> None:
    async def greet() -> dict[str, Any]:
        async with dialled(town, thief) as socket:
            return await said_hello(socket, oldest=7, newest=9)

    ended = town.do(greet())

    assert ended["type"] == "ended"
    assert "upgrade homecluster on the coordinator" in ended["reason"]


def test_requests_beyond_the_rate_are_refused_and_others_go_on(
    town: Town, thief: Pc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ASKS_PER_S", 1.0)

    async def flood() -> int:
        async with dialled(town, thief) as socket:
            await said_hello(socket)
            for number in range(60):
                wish = {
                    "type": "ask", "id": str(number), "to": "", "verb": "cluster.members",
                    "deadline_s": 30, "body": {},
                }  # fmt: skip
                await socket.send_str(json.dumps(wish))
            answers = [json.loads(await socket.receive_str()) for _ in range(60)]
            return sum("requests a second" in answer["message"] for answer in answers)

    assert town.do(flood()) > 0
    assert still_works(town)
