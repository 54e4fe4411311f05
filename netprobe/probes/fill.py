"""Filling a link's queue on purpose: several TCP streams at once, as a browser or a download does."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Final

from netprobe.probes.ports import TICK_S

STREAMS: Final = 4
"""One stream of a careful sender leaves the queue of a home router half empty."""
_LOSS_BASED: Final = (b"cubic", b"reno")
"""They stop at a full queue; BBR, which avoids that, would hide what other traffic suffers."""
_BUFFER_BYTES: Final = 64 * 1024
_LINGER_NONE: Final = struct.pack("ii", 1, 0)


def send(streams: Sequence[socket.socket], until: float, stop: threading.Event) -> None:
    """Write as much as every stream takes, then drop what is still queued."""
    payload = memoryview(bytes(_BUFFER_BYTES))
    for stream in streams:
        _prefer_loss_based(stream)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        stream.setblocking(False)
    with contextlib.ExitStack() as closing:
        for stream in streams:
            closing.enter_context(stream)
        while time.monotonic() < until and not stop.is_set():
            _, writable, _ = select.select([], streams, [], TICK_S)
            for stream in writable:
                try:
                    stream.send(payload)
                except BlockingIOError:
                    continue
                except OSError:
                    return  # the other end has seen enough


def drain(streams: Sequence[socket.socket], until: float, stop: threading.Event) -> None:
    """Read and forget until the sender ends."""
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with contextlib.ExitStack() as closing:
        for stream in streams:
            closing.enter_context(stream)
            stream.setblocking(False)
        while time.monotonic() < until and not stop.is_set():
            readable, _, _ = select.select(streams, [], [], TICK_S)
            for stream in readable:
                try:
                    if stream.recv_into(buffer) == 0:
                        return
                except BlockingIOError:
                    continue
                except OSError:
                    return


def _prefer_loss_based(stream: socket.socket) -> None:
    for name in _LOSS_BASED:
        with contextlib.suppress(OSError, AttributeError):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
            return
