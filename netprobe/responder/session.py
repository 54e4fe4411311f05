"""One authenticated caller: reads its verbs, runs its measurements, cleans up when it goes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from netprobe.control.channel import Channel
from netprobe.control.fields import Document, MalformedError
from netprobe.control.messages import (
    Describe,
    Finish,
    Onward,
    Open,
    Request,
    Ticket,
    failure_document,
    parse_request,
)
from netprobe.probes.ports import COOKIE_BYTES
from netprobe.probes.trouble import ProbeError
from netprobe.responder.measures import GRACE_S, opened, quietly
from netprobe.types import FailureKind

IDLE_S: Final = 60.0
"""A caller that says nothing for so long is gone."""
SESSION_S: Final = 300.0
_REPLY_S: Final = 10.0
_MAX_OPEN: Final = 4
_MAX_WAITING: Final = 4
_PATIENCE_S: Final = 1.0


class House(Protocol):
    """What a session may ask of the responder that it belongs to."""

    async def describe(self, channel: Channel) -> Document:
        """Name, tools and interface of this side."""

    def claim(self, session: Session) -> ProbeError | None:
        """Make this session the only one that measures, or say who does."""

    def release(self, session: Session) -> None:
        """Let others measure again."""

    def ticket(self) -> str:
        """A secret for one session of someone else."""

    @property
    def engine_python(self) -> Path | None:
        """Where torch is, for the engine's own all-reduce."""

    @property
    def onward(self) -> Onwards | None:
        """How to probe a third host, where that is offered."""


Onwards = Callable[[Onward], Awaitable[Document]]


class Session:
    """Lives as long as the control connection, at most SESSION_S."""

    def __init__(self, channel: Channel, house: House) -> None:
        self._channel = channel
        self._house = house
        self._measures: dict[int, asyncio.Task[Document]] = {}
        self._next_id = 0
        self.peer = str(channel.peer[0])

    async def run(self) -> None:
        """Until the caller goes away, breaks the protocol or the time is up; nothing stays open."""
        waiting: asyncio.Queue[Document] = asyncio.Queue(_MAX_WAITING)
        try:
            async with asyncio.timeout(SESSION_S), asyncio.TaskGroup() as both:
                both.create_task(self._listen(waiting))
                both.create_task(self._work(waiting))
        except* (ProbeError, TimeoutError):
            pass  # the caller is gone or talks nonsense: that ends the session, not the responder
        finally:
            self._house.release(self)
            await asyncio.gather(*(quietly(task) for task in self._measures.values()))

    async def _listen(self, waiting: asyncio.Queue[Document]) -> None:
        while True:
            await waiting.put(await self._channel.receive(SESSION_S))

    async def _work(self, waiting: asyncio.Queue[Document]) -> None:
        while True:
            async with asyncio.timeout(IDLE_S):
                document = await waiting.get()
            reply = await self._reply(document)
            await self._channel.send({**reply, "number": document.get("number")}, _REPLY_S)

    async def _reply(self, document: Document) -> Document:
        try:
            return {"ok": await self._perform(parse_request(document))}
        except MalformedError as error:
            return failure_document(FailureKind.WRONG_SERVICE, f"not understood: {error}")
        except ProbeError as error:
            return failure_document(error.kind, error.detail)

    async def _perform(self, request: Request) -> Document:
        match request:
            case Describe():
                return await self._house.describe(self._channel)
            case Open():
                return await self._open(request)
            case Finish():
                return await self._finish(request)
            case Ticket():
                return {"ticket": self._house.ticket()}
            case Onward():
                return await self._onward(request)

    async def _open(self, request: Open) -> Document:
        await self._claim()
        if len(self._measures) >= _MAX_OPEN:
            raise ProbeError(FailureKind.BUSY, f"{_MAX_OPEN} measurements are open already")
        cookie = secrets.token_bytes(COOKIE_BYTES)
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._measure(request, cookie, port))
        self._next_id += 1
        self._measures[self._next_id] = task
        either: set[asyncio.Future[Any]] = {task, port}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not port.done():
            del self._measures[self._next_id]
            await task  # raises what kept the port from opening
        return {"id": self._next_id, "port": port.result(), "cookie": cookie.hex()}

    async def _measure(self, request: Open, cookie: bytes, port: asyncio.Future[int]) -> Document:
        async with opened(
            request, self._channel.local, self._channel.peer, cookie, self._house.engine_python
        ) as measure:
            port.set_result(measure.port)
            return await measure.work()

    async def _finish(self, request: Finish) -> Document:
        task = self._measures.pop(request.id, None)
        if task is None:
            raise ProbeError(FailureKind.WRONG_SERVICE, f"no measurement {request.id} is open")
        try:
            await asyncio.wait({task}, timeout=GRACE_S if request.wanted else 0)
        finally:
            await quietly(task)
        return {} if task.cancelled() else task.result()

    async def _onward(self, request: Onward) -> Document:
        onward = self._house.onward
        if onward is None:
            raise ProbeError(FailureKind.NOT_PERMITTED, "this responder does not probe others")
        await self._claim()
        try:
            return await onward(request)
        finally:
            self._house.release(self)

    async def _claim(self) -> None:
        """Wait a moment for a caller who is just leaving; raises ProbeError busy after that."""
        until = time.monotonic() + _PATIENCE_S
        while (busy := self._house.claim(self)) is not None:
            if time.monotonic() > until:
                raise busy
            await asyncio.sleep(_PATIENCE_S / 50)
