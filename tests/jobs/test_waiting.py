import time
from types import SimpleNamespace
from typing import Any

import pytest

from homecluster.jobs.vllm_plugin import waiting
from homecluster.jobs.vllm_plugin.waiting import NAP_MS, napping


class Poller:
    """Answers with what is ready; remembers how long it might have slept."""

    def __init__(self, *ready: object) -> None:
        self.ready = ready
        self.timeouts_ms: list[int] = []

    def poll(self, timeout: int) -> list[tuple[object, int]]:
        self.timeouts_ms.append(timeout)
        return [(socket, 1) for socket in self.ready]


class Socket:
    def __init__(self) -> None:
        self.taken = 0

    def recv(self, **_options: object) -> bytes:
        self.taken += 1
        return b"\0"


def condition(poller: Poller, socket: Socket, *, read_ago_s: float = 0.0) -> Any:
    return SimpleNamespace(
        poller=poller, local_notify_socket=socket, last_read=time.monotonic() - read_ago_s,
        busy_loop_s=100.0,
    )  # fmt: skip


def stock(_condition: Any, _timeout_ms: int | None = None) -> None:
    pytest.fail("vLLM's own wait was called")


@pytest.fixture(autouse=True)
def _zmq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zmq", SimpleNamespace(NOBLOCK=1))


def test_a_reader_sleeps_in_the_poller_where_vllm_would_spin() -> None:
    poller = Poller()
    napping(stock)(condition(poller, Socket()), 5000)
    assert poller.timeouts_ms == [NAP_MS]


def test_a_nap_is_no_longer_than_the_time_that_is_left() -> None:
    poller = Poller()
    napping(stock)(condition(poller, Socket()), 1)
    assert poller.timeouts_ms == [1]


def test_a_notification_is_taken_so_that_the_next_nap_does_not_end_at_once() -> None:
    socket = Socket()
    napping(stock)(condition(Poller(socket), socket), None)
    assert socket.taken == 1


def test_a_cancel_wakes_without_a_notification() -> None:
    socket = Socket()
    napping(stock)(condition(Poller(object()), socket), None)
    assert socket.taken == 0


def test_an_idle_reader_waits_as_vllm_does() -> None:
    calls: list[int | None] = []
    poller = Poller()
    idle = condition(poller, Socket(), read_ago_s=200.0)
    napping(lambda _condition, timeout_ms=None: calls.append(timeout_ms))(idle, 5000)
    assert (calls, poller.timeouts_ms) == ([5000], [])


def test_another_build_of_vllm_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "cpu_platform", lambda: None)
    waiting.sleep_while_waiting()  # would import vllm, which is not here
