"""A coordinator with a new address is found while its old one still swallows what is sent there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

import pytest

from homecluster.agent import member
from homecluster.agent.addresses import Address
from homecluster.agent.answering import answering
from homecluster.agent.streams import CHUNK_BYTES
from homecluster.domain.ids import NodeId
from homecluster.store.cluster_state import read_state, write_state
from tests.agent.town import Town
from tests.ports import unused_port
from tests.waiting import within


@contextmanager
def swallowing() -> Iterator[Address]:
    """An address whose connections never come about: its queue is full."""
    with socket.socket() as server, contextlib.ExitStack() as queue:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(2):
            one = queue.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        yield server.getsockname()


def test_an_address_that_swallows_everything_does_not_delay_one_that_is_found() -> None:
    async def first(known: Sequence[Address], found: Sequence[Address]) -> Address | None:
        async def find() -> Sequence[Address]:
            return found

        async with aclosing(answering(known, find, lambda *_: None)) as addresses:
            async for address in addresses:
                return address
        return None

    with swallowing() as old, socket.create_server(("127.0.0.1", 0)) as new:
        new_address = new.getsockname()
        answered = asyncio.run(asyncio.wait_for(first([old], [new_address]), 4.0))

    assert answered == new_address


class Cable:
    """A way to a port that can be made to swallow what is sent, both ways."""

    def __init__(self, to: int) -> None:
        self.port, self._to = unused_port(), to
        self.is_cut = asyncio.Event()

    async def serve(self) -> None:
        await asyncio.start_server(self._take, "127.0.0.1", self.port)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not self.is_cut.is_set():
                writer.write(data)
        writer.close()


def test_a_silent_coordinator_that_answers_elsewhere_is_followed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BEAT_S", 0.1), ("SUSPECT_S", 0.4), ("DEAD_S", 3600.0)):
        monkeypatch.setattr(member, name, value)
    a = town.coordinator()
    b = town.member("b", a)
    b.stop()
    cable = Cable(town.port)
    town.do(cable.serve())
    state = read_state(b.folder.state)
    assert state is not None
    write_state(b.folder.state, replace(state, addresses=(("127.0.0.1", cable.port),)))
    b.start()
    within(30, lambda: b.local.status()["connected"])
    town.found = (("127.0.0.1", town.port),)
    town.loop.call_soon_threadsafe(cable.is_cut.set)

    def is_direct() -> bool:
        state = read_state(b.folder.state)
        return state is not None and state.addresses[0] == ("127.0.0.1", town.port)

    within(30, lambda: is_direct() and b.local.status()["connected"])
    assert b.local.ask(NodeId("a"), "agent.echo", {"echo": 1}, deadline_s=30) == {"echo": 1}
