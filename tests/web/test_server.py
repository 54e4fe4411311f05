from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from homecluster.errors import InputError
from homecluster.web.login import Doorkeeper
from homecluster.web.serve import listening
from homecluster.web.server import Dashboard
from tests.ports import unused_port

LINK, SPARE = "the-link", "another-link"


class Pages:
    """Counts up, so that each look finds another page."""

    def __init__(self) -> None:
        self.number = 0

    def page(self) -> dict[str, Any]:
        self.number += 1
        return {"schema": "homecluster.page/1", "number": self.number, "made_at": "now"}

    def what_if(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "rtt_s" in asked and not isinstance(asked["rtt_s"], float):
            raise InputError("rtt_s is not a number")
        return {"answer": True}


Talk = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def with_dashboard(talk: Talk, *, logged_in: bool = True) -> None:
    async def play() -> None:
        port = unused_port()
        door = Doorkeeper()
        for link in (LINK, SPARE):
            door.offer(link, asyncio.get_running_loop().time())
        base = f"http://127.0.0.1:{port}"
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            listening(Dashboard(Pages(), door, "127.0.0.1", port), "127.0.0.1", port),
            aiohttp.ClientSession(cookie_jar=jar) as session,
        ):
            if logged_in:
                async with session.get(f"{base}/login", params={"link": LINK}) as reply:
                    assert reply.status == 200
            await talk(session, base)

    asyncio.run(play())


async def _told(base: str, line: bytes) -> bytes:
    """The answer to a request with that line among its headers."""
    host = base.removeprefix("http://")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(host.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\n" + line + b"\r\n\r\n")
    async with asyncio.timeout(30):
        told = await reader.read(4096)
    writer.close()
    return told


@pytest.mark.parametrize("path", ["/", "/api/page", "/api/stream", "/static/page.js", "/nothing"])
def test_without_login_nothing_but_the_login_page_answers(path: str) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(base + path) as reply:
            assert reply.status == 401
            assert "homecluster dashboard" in await reply.text()

    with_dashboard(talk, logged_in=False)


def test_a_link_used_again_lets_in_its_own_browser_and_no_other() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        login = f"{base}/login?link={LINK}"
        async with session.get(login) as reply:
            assert reply.status == 200
        session.cookie_jar.clear()
        async with session.get(login) as reply:
            assert reply.status == 403
            assert not reply.cookies
            assert "--links" in await reply.text()

    with_dashboard(talk)


def test_a_guest_uses_up_no_link() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        for is_new in (False, True):
            async with session.get(f"{base}/login", params={"link": SPARE}) as reply:
                assert reply.status == 200
                assert bool(reply.cookies) == is_new
            session.cookie_jar.clear()

    with_dashboard(talk)


def test_a_preview_of_the_link_does_not_use_it_up() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.head(f"{base}/login", params={"link": LINK}) as reply:
            assert reply.status == 404
        async with session.get(f"{base}/login", params={"link": LINK}) as reply:
            assert reply.status == 200

    with_dashboard(talk, logged_in=False)


@pytest.mark.parametrize("expected", [b"100-continue", b"\xff", b"200-maybe"])
def test_strangers_learn_nothing_by_an_expect_header(expected: bytes) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        del session
        told = await _told(base, b"Expect: " + expected)
        assert told.startswith(b"HTTP/1.1 417")
        assert b"Python" not in told
        assert b"Content-Security-Policy" in told

    with_dashboard(talk, logged_in=False)


def test_no_http_is_answered_and_not_written_about(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        del session
        assert b" 400 " in await _told(base, b"no header")

    with_dashboard(talk, logged_in=False)
    assert caplog.records == []


def test_pages_that_were_closed_make_room() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        for _ in range(24):
            async with session.get(f"{base}/api/stream") as reply:
                assert reply.status == 200
            await asyncio.sleep(0.02)

    with_dashboard(talk)


def test_a_foreign_host_name_is_refused_even_with_the_cookie() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/api/page", headers={"Host": "evil.example"}) as reply:
            assert reply.status == 403

    with_dashboard(talk)


def test_another_site_may_not_ask() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        headers = {"Origin": "http://evil.example"}
        async with session.post(f"{base}/api/what-if", json={}, headers=headers) as reply:
            assert reply.status == 403

    with_dashboard(talk)


def test_the_page_lets_nothing_foreign_run() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(base + "/") as reply:
            assert reply.status == 200
            assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
            assert reply.headers["X-Frame-Options"] == "DENY"

    with_dashboard(talk)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/login", params={"link": LINK}) as reply:
            cookie = reply.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert cookie.startswith(f"homecluster_session_{base.rpartition(':')[2]}=")
        assert "SameSite=Strict" in cookie

    with_dashboard(talk, logged_in=False)


def test_the_stream_brings_a_new_page_each_time_something_changed() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        numbers: list[int] = []
        async with session.get(f"{base}/api/stream") as reply:
            async for line in reply.content:
                if line.startswith(b"data: "):
                    numbers.append(json.loads(line[6:])["number"])
                if len(numbers) == 2:
                    break
        assert numbers == sorted(set(numbers))

    with_dashboard(talk)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"rtt_s": 0.001}', 200),
        (b'{"rtt_s": "fast"}', 400),
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 2000, 400),
        (b"[" * 8000, 413),
    ],
)
def test_a_question_is_answered_or_refused_with_the_reason(body: bytes, status: int) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        headers = {"Content-Type": "application/json"}
        async with session.post(f"{base}/api/what-if", data=body, headers=headers) as reply:
            assert reply.status == status

    with_dashboard(talk)


def test_an_unknown_charset_is_no_fault_of_ours() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        headers = {"Content-Type": "application/json; charset=rot13"}
        async with session.post(f"{base}/api/what-if", data=b"{}", headers=headers) as reply:
            assert reply.status == 200

    with_dashboard(talk)


def test_a_form_of_another_site_cannot_ask_the_planner() -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.post(f"{base}/api/what-if", data={"rtt_s": "1"}) as reply:
            assert reply.status == 415

    with_dashboard(talk)


@pytest.mark.parametrize("name", ["../page.py", "..%2fpage.py", "vendor/../../serve.py", "x.js"])
def test_only_the_pages_own_files_are_served(name: str) -> None:
    async def talk(session: aiohttp.ClientSession, base: str) -> None:
        async with session.get(f"{base}/static/{name}") as reply:
            assert reply.status == 404

    with_dashboard(talk)
