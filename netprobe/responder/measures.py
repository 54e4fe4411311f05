"""What the far side does for each measurement: one port, one peer, one deadline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from netprobe.control.fields import Document
from netprobe.control.messages import Open
from netprobe.probes import blast, collective, echo, exchange, fill, iperf3, path_mtu, ports
from netprobe.probes.fence import fenced
from netprobe.probes.ports import SockAddr
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

GRACE_S: Final = 4.0
"""Beyond the measurement's own duration, for dialling and draining."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one measurement happens and until when (monotonic)."""

    local: SockAddr
    peer: SockAddr
    cookie: bytes
    duration_s: float
    until: float

    @property
    def left_s(self) -> float:
        return max(0.1, self.until - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open measuring port and the work behind it, which yields what this side saw."""

    port: int
    work: Callable[[], Awaitable[Document]]


@contextlib.asynccontextmanager
async def opened(
    request: Open, local: SockAddr, peer: SockAddr, cookie: bytes, engine: Path | None
) -> AsyncIterator[Opened]:
    """The port for one measurement; closed on leaving.

    Raises:
        ProbeError: port_taken, tool_missing and so on, before anything is open.
    """
    place = Place(
        local=local,
        peer=peer,
        cookie=cookie,
        duration_s=request.duration_s,
        until=time.monotonic() + request.duration_s + GRACE_S,
    )
    match request.measurement:
        case "iperf3":
            async with iperf3.server(local, peer) as server:
                yield Opened(port=server.port, work=partial(_iperf3, server, place))
        case "all_reduce":
            if engine is None:
                raise ProbeError(
                    FailureKind.TOOL_MISSING, "the far side was started without --engine-python"
                )
            with ports.listen(local) as listener:
                port = listener.getsockname()[1]
                async with fenced(port, peer):
                    yield Opened(port=port, work=partial(_all_reduce, engine, listener, place))
        case "echo_udp" | "mtu":
            serve = echo.serve_udp if request.measurement == "echo_udp" else path_mtu.serve
            with ports.open_udp(local) as udp:
                work = partial(serve, udp, peer, cookie, place.until)
                yield Opened(port=udp.getsockname()[1], work=partial(_silent, work, place))
        case _:
            with ports.listen(local) as listener:
                stream = partial(_STREAMS[request.measurement], listener, place)
                yield Opened(port=listener.getsockname()[1], work=stream)


async def _silent(work: Callable[[Event], None], place: Place) -> Document:
    await ports.in_thread(work, place.left_s)
    return {}


async def _iperf3(server: iperf3.Server, place: Place) -> Document:
    seen = await server.run(place.left_s)
    return {
        "rates_bytes_per_s": list(seen.rates_bytes_per_s),
        "received_bytes_per_s": seen.received_bytes_per_s,
    }


async def _all_reduce(engine: Path, listener: ports.Listener, place: Place) -> Document:
    store = listener.getsockname()
    seen = await collective.run(engine, place.local, store, listener=listener, limit_s=place.left_s)
    return {"backend": seen.backend}


async def _echo_tcp(listener: ports.Listener, place: Place) -> Document:
    work = partial(echo.serve_tcp, listener, place.peer, place.cookie, place.until)
    return await _silent(work, place)


async def _sink(listener: ports.Listener, place: Place) -> Document:
    def work(stop: Event) -> tuple[float, ...]:
        connection = ports.admit(listener, place.peer, place.cookie, place.until, stop)
        return blast.receive(connection, place.duration_s, stop)

    return {"rates_bytes_per_s": list(await ports.in_thread(work, place.left_s))}


async def _source(listener: ports.Listener, place: Place) -> Document:
    def work(stop: Event) -> None:
        connection = ports.admit(listener, place.peer, place.cookie, place.until, stop)
        blast.send(connection, place.duration_s + blast.OVERRUN_S, stop)

    return await _silent(work, place)


async def _drain(listener: ports.Listener, place: Place) -> Document:
    return await _silent(partial(_streams, fill.drain, listener, place), place)


async def _fill(listener: ports.Listener, place: Place) -> Document:
    return await _silent(partial(_streams, fill.send, listener, place), place)


def _streams(
    use: Callable[[list[ports.Listener], float, Event], None],
    listener: ports.Listener,
    place: Place,
    stop: Event,
) -> None:
    streams = ports.admit_all(
        listener, place.peer, place.cookie, place.until, stop, count=fill.STREAMS
    )
    use(streams, min(place.until, time.monotonic() + place.duration_s), stop)


async def _exchange(listener: ports.Listener, place: Place) -> Document:
    def work(stop: Event) -> None:
        connection = ports.admit(listener, place.peer, place.cookie, place.until, stop)
        exchange.serve(connection, place.until, stop)

    return await _silent(work, place)


_STREAMS: Final = {
    "echo_tcp": _echo_tcp,
    "sink": _sink,
    "source": _source,
    "drain": _drain,
    "fill": _fill,
    "exchange": _exchange,
}


async def quietly(task: asyncio.Task[Document]) -> None:
    """Cancel a measurement and wait for its ports to be closed."""
    task.cancel()
    await asyncio.wait([task], timeout=GRACE_S)
    if task.done() and not task.cancelled():
        task.exception()  # looked at: whoever wanted it is gone
