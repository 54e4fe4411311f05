import asyncio
from typing import Any

import pytest

from homecluster.jobs.vllm_plugin.gate import Gate


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"engine"})


def status(
    gate: Gate,
    path: str,
    *,
    key: str | None = None,
    host: str = "127.0.0.1:8000",
    kind: str = "http",
) -> Any:
    headers = [(b"host", host.encode())]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    asyncio.run(gate({"type": kind, "path": path, "headers": headers}, receive, send))
    return sent[0].get("status", sent[0].get("code"))


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    return Gate(app)


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    return Gate(app)


@pytest.mark.parametrize("path", ["/v1/completions", "/health", "/metrics", "/invocations", "/"])
def test_every_path_asks_for_the_key(locked: Gate, path: str) -> None:
    assert status(locked, path) == 401
    assert status(locked, path, key="wrong") == 401
    assert status(locked, path, key="") == 401


def test_the_right_key_opens_the_listed_paths_and_no_other(locked: Gate) -> None:
    assert status(locked, "/v1/completions", key="s3cret") == 200
    assert status(locked, "/metrics", key="s3cret") == 200
    assert status(locked, "/invocations", key="s3cret") == 404
    assert status(locked, "/scale_elastic_ep", key="s3cret") == 404
    assert status(locked, "/v1", key="s3cret") == 404


def test_a_websocket_without_the_key_is_closed(locked: Gate) -> None:
    assert status(locked, "/v1/realtime", kind="websocket") == 1008


def test_without_a_key_only_addresses_and_localhost_are_served(unlocked: Gate) -> None:
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "192.168.1.4"):
        assert status(unlocked, "/v1/models", host=host) == 200
    for host in ("evil.example:8000", "localhost.evil.example", "", "[evil]"):
        assert status(unlocked, "/v1/models", host=host) == 403


def test_paths_outside_the_list_are_closed_even_without_a_key(unlocked: Gate) -> None:
    assert status(unlocked, "/invocations") == 404
    assert status(unlocked, "/v1/../invocations") == 404
