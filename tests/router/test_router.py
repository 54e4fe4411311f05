"""The one address over real sockets, with copies that break in every way that engines do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from homecluster.router.server import Address, Router
from homecluster.router.table import Backend, SeatState
from homecluster.router.watch import Patience
from tests.fakes.copy_server import KEY, FakeCopy
from tests.ports import unused_port

PATIENCE = Patience(pause_s=0.01, token_within_s=10.0, silent_s=600.0)
LIMIT_S = 30.0
CLIENT_KEY = "the-key-of-the-clients"


class Home:
    """A router in front of fake copies, and one client."""

    def __init__(self, router: Router, copies: tuple[FakeCopy, ...], url: str) -> None:
        self.router, self.copies, self.url = router, copies, url

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds():  # noqa: ASYNC110 - values of another task, which signals nothing
                await asyncio.sleep(0.005)

    def state(self, name: str) -> SeatState:
        return self.router.table.seat(name).state

    async def serving(self, *names: str) -> None:
        await self.until(lambda: all(self.state(name) is SeatState.SERVING for name in names))

    def ask(self, *, stream: bool = False) -> aiohttp.client._RequestContextManager:
        body = {"model": "m", "prompt": "x", "max_tokens": 3, "stream": stream}
        return self.client.post(self.url + "/v1/completions", json=body)

    async def text(self, *, stream: bool = False) -> tuple[int, str]:
        async with self.ask(stream=stream) as answer:
            return answer.status, await answer.text()

    client: aiohttp.ClientSession


@asynccontextmanager
async def home(
    *copies: FakeCopy, key: str | None = None, patience: Patience = PATIENCE
) -> AsyncIterator[Home]:
    port = unused_port()
    address = Address(host="127.0.0.1", port=port, model="m", api_key=key, copies_key=KEY)
    router = Router(address, patience=patience)
    for copy in copies:
        await copy.start()
    await router.start()
    for copy in copies:
        router.join(
            Backend(
                name=copy.name,
                host=None if copy.socket else "127.0.0.1",
                port=copy.port or None,
                socket=str(copy.socket) if copy.socket else None,
                tokens_per_s=100.0,
                batch=8,
            )
        )
    made = Home(router, copies, f"http://127.0.0.1:{port}")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as made.client:
        try:
            await made.serving(*(c.name for c in copies if c.behaviour != "silent"))
            router.open()
            yield made
        finally:
            await router.stop()
            for copy in copies:
                await copy.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT_S):
            await test()

    asyncio.run(limited())


def test_requests_are_shared_and_the_clients_key_stays_at_the_door() -> None:
    async def test() -> None:
        a, b = FakeCopy("a"), FakeCopy("b")
        async with home(a, b, key=CLIENT_KEY) as one:
            for _ in range(6):
                assert (await one.text())[0] == 200
            assert len(a.asked) == len(b.asked) == 3
            assert a.keys == {f"Bearer {KEY}"}

    run(test)


def test_a_copy_behind_a_unix_socket_serves_like_any_other(tmp_path: Path) -> None:
    async def test() -> None:
        async with home(FakeCopy("far", socket=tmp_path / "s")) as one:
            assert await one.text() == (200, '{"from": "far", "usage": {"completion_tokens": 3}}')

    run(test)


def test_a_stream_passes_through_event_by_event() -> None:
    async def test() -> None:
        a = FakeCopy("a", behaviour="waits-within")
        async with home(a) as one, one.ask(stream=True) as answer:
            assert answer.content_type == "text/event-stream"
            first = await answer.content.readuntil(b"\n\n")
            assert json.loads(first.removeprefix(b"data: "))["n"] == 0
            a.released.set()
            rest = await answer.text()
            assert rest.endswith("data: [DONE]\n\n")

    run(test)


@pytest.mark.parametrize("behaviour", ["refuses", "breaks-before"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_before_its_first_byte_is_answered_by_another_copy(
    behaviour: str, stream: bool
) -> None:
    async def test() -> None:
        bad, good = FakeCopy("bad"), FakeCopy("good")
        async with home(bad, good) as one:
            bad.behaviour = behaviour
            for _ in range(4):
                status, text = await one.text(stream=stream or behaviour == "breaks-before")
                assert status == 200
                assert '"from": "good"' in text
            assert bad.asked

    run(test)


def test_a_stream_that_is_lost_within_ends_with_an_error_a_client_can_read() -> None:
    async def test() -> None:
        a = FakeCopy("a")
        async with home(a) as one:
            a.behaviour = "breaks-within"
            status, text = await one.text(stream=True)
            assert status == 200
            *_, event, last = [line for line in text.split("\n\n") if line]
            assert last == "data: [DONE]"
            error = json.loads(event.removeprefix("data: "))["error"]
            assert error["code"] == 502
            assert "lost in the middle" in error["message"]
            assert "half of an ev" not in text

    run(test)


def test_a_stream_that_ends_without_its_last_event_is_told_as_lost() -> None:
    async def test() -> None:
        a = FakeCopy("a")
        async with home(a) as one:
            a.behaviour = "stops-short"
            _, text = await one.text(stream=True)
            assert "lost in the middle" in text

    run(test)


def test_a_dead_copy_is_routed_around_and_is_back_when_it_recovers() -> None:
    async def test() -> None:
        a, b = FakeCopy("a"), FakeCopy("b")
        async with home(a, b) as one:
            await a.die()
            for _ in range(6):
                assert (await one.text())[0] == 200
            assert one.state("a") is SeatState.AWAY
            await a.start()
            await one.serving("a")
            before = len(a.asked)
            for _ in range(4):
                assert (await one.text())[0] == 200
            assert len(a.asked) > before

    run(test)


def test_a_request_waiting_in_a_copy_that_is_lost_goes_elsewhere() -> None:
    async def test() -> None:
        a, b = FakeCopy("a"), FakeCopy("b")
        async with home(a, b) as one:
            a.behaviour = b.behaviour = "hangs"
            waiting = asyncio.create_task(one.text())
            await one.until(lambda: a.asked or b.asked)
            there, other = (a, b) if a.asked else (b, a)
            other.behaviour = "good"
            one.router.lost(there.name, "its PC does not answer")
            status, text = await waiting
            assert status == 200
            assert f'"from": "{other.name}"' in text
            await one.until(lambda: there.cancelled == 1)

    run(test)


def test_a_copy_that_sends_nothing_and_gives_no_token_is_given_up() -> None:
    async def test() -> None:
        a, b = FakeCopy("a"), FakeCopy("b")
        hasty = Patience(pause_s=0.01, token_within_s=0.3, silent_s=0.2)
        async with home(a, b, patience=hasty) as one:
            a.behaviour = b.behaviour = "silent"
            waiting = asyncio.create_task(one.text())
            await one.until(lambda: a.asked or b.asked)
            there, other = (a, b) if a.asked else (b, a)
            other.behaviour = "good"
            status, text = await waiting
            assert (status, json.loads(text)["from"]) == (200, other.name)
            assert one.state(there.name) is SeatState.AWAY

    run(test)


def test_a_client_that_hangs_up_stops_the_copy() -> None:
    async def test() -> None:
        a = FakeCopy("a")
        async with home(a) as one:
            a.behaviour = "hangs"
            asking = asyncio.create_task(one.text(stream=True))
            await one.until(lambda: a.asked)
            asking.cancel()
            await one.until(lambda: a.cancelled == 1)
            await one.until(lambda: one.router.table.in_flight == 0)
            assert one.state("a") is SeatState.SERVING

    run(test)


def test_a_refusal_of_the_engine_is_the_answer_and_is_not_asked_again() -> None:
    async def test() -> None:
        a, b = FakeCopy("a"), FakeCopy("b")
        async with home(a, b) as one:
            a.behaviour = b.behaviour = "says-no"
            status, text = await one.text()
            assert (status, json.loads(text)["error"]["message"]) == (400, "too long")
            assert len(a.asked) + len(b.asked) == 1

    run(test)


def test_a_request_that_every_copy_fails_at_gets_the_copies_own_word() -> None:
    async def test() -> None:
        copies = [FakeCopy(name) for name in "abcde"]
        async with home(*copies) as one:
            for copy in copies:
                copy.behaviour = "refuses"
            status, text = await one.text()
            assert (status, json.loads(text)["error"]["message"]) == (500, "EngineDeadError")
            assert sum(len(copy.asked) for copy in copies) == 3

    run(test)


def test_an_ended_copy_never_gets_a_request_again_and_without_copies_the_address_says_so() -> None:
    async def test() -> None:
        a = FakeCopy("a")
        async with home(a) as one:
            one.router.over("a", "its engine crashed")
            async with one.ask() as answer:
                assert answer.status == 503
                assert "no copy" in (await answer.json())["error"]["message"]
            async with one.client.get(one.url + "/health") as answer:
                assert answer.status == 503

    run(test)


def test_while_draining_what_runs_ends_and_nothing_new_is_taken() -> None:
    async def test() -> None:
        a = FakeCopy("a", behaviour="waits-within")
        async with home(a) as one, one.ask(stream=True) as answer:
            draining = asyncio.create_task(one.router.drain(LIMIT_S))
            await asyncio.sleep(0)
            assert (await one.text())[0] == 503
            a.released.set()
            await draining
            assert (await answer.text()).endswith("data: [DONE]\n\n")

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/models", {"Authorization": "Bearer wrong"}, 401),
        ("GET", "/metrics", {"Authorization": ""}, 401),
        ("POST", "/pause", {}, 404),
        ("POST", "/v1/../pause", {}, 404),
        ("POST", "/v1/models", {}, 405),
        ("GET", "/v1/models", {}, 200),
        ("GET", "/health", {"Authorization": ""}, 200),
        ("GET", "/v1/models", {"X-Large": "x" * 40_000}, 400),
        ("POST", "//v1/completions", {}, 404),
        ("POST", "/v1/%2e%2e/pause", {}, 404),
        ("POST", "/v1/completions", {"Content-Encoding": "deflate"}, 415),
    ],
)
def test_the_door(method: str, path: str, headers: dict[str, str], status: int) -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), key=CLIENT_KEY) as one:
            url = URL(one.url + path, encoded=True)
            async with one.client.request(method, url, headers=headers) as answer:
                assert answer.status == status

    run(test)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
def test_without_a_key_pages_of_other_sites_are_refused(
    headers: dict[str, str], status: int
) -> None:
    async def test() -> None:
        async with (
            home(FakeCopy("a")) as one,
            one.client.get(one.url + "/v1/models", headers=headers) as answer,
        ):
            assert answer.status == status

    run(test)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Expect: \xff\r\nContent-Length: 0\r\n", b"417"),
        (b"Content-Length: 5\r\nContent-Length: 0\r\n", b"400"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Host: evil.example\r\n", b"400"),
    ],
)
def test_what_other_clients_cannot_say_is_refused_and_fills_no_log(
    head: bytes, status: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with home(FakeCopy("a")) as one:
            reader, writer = await asyncio.open_connection("127.0.0.1", URL(one.url).port)
            writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
            assert status in await reader.readline()
            writer.close()

    run(test)
    assert caplog.messages == []


def test_a_body_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homecluster.router.server.MAX_BODY_BYTES", 1000)

    async def test() -> None:
        async with (
            home(FakeCopy("a")) as one,
            one.client.post(one.url + "/v1/completions", data=b"x" * 2000) as answer,
        ):
            assert answer.status == 413

    run(test)


def test_metrics_of_all_copies_come_as_one_text_with_the_copys_name() -> None:
    async def test() -> None:
        async with (
            home(FakeCopy("a"), FakeCopy("b")) as one,
            one.client.get(one.url + "/metrics") as answer,
        ):
            text = await answer.text()
            assert 'x{copy="a"} 1\nx{copy="b"} 1\n' in text
            assert text.count("# TYPE x gauge") == 1
            assert 'homecluster_copy_serving{copy="b"} 1' in text

    run(test)
