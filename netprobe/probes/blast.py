"""Throughput without iperf3: one TCP stream as fast as it goes, counted where it arrives."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import Final

from netprobe.probes.ports import TICK_S
from netprobe.probes.trouble import ProbeError
from netprobe.types import FailureKind

SAMPLE_S: Final = 0.05
OVERRUN_S: Final = 0.5
"""How much longer the sender sends than the receiver counts."""
_BUFFER_BYTES: Final = 256 * 1024
_LINGER_NONE: Final = struct.pack("ii", 1, 0)
"""Close with a reset: what still waits in the socket is not worth the link's time."""
_SILENCE_S: Final = 2.0


def send(connection: socket.socket, duration_s: float, stop: threading.Event) -> None:
    """Fill the connection for `duration_s`, then drop it with what is still queued.

    Raises:
        ProbeError: timed_out when the far side takes nothing for 2 s, peer_lost when it is gone early.
    """
    payload = memoryview(bytes(_BUFFER_BYTES))
    end = time.monotonic() + duration_s
    moved_at = time.monotonic()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        while (now := time.monotonic()) < end and not stop.is_set():
            try:
                connection.send(payload)
                moved_at = now
            except TimeoutError as error:
                if now > moved_at + _SILENCE_S:
                    raise ProbeError(FailureKind.TIMED_OUT, "the far side takes no data") from error
            except (ConnectionResetError, BrokenPipeError):
                return  # the receiver has counted long enough


def receive(
    connection: socket.socket, duration_s: float, stop: threading.Event
) -> tuple[float, ...]:
    """Bytes per second of each SAMPLE_S from the first byte on, for `duration_s`.

    Raises:
        ProbeError: timed_out when nothing came for 2 s, peer_lost when the sender ended before half the time.
    """
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    counts = [0] * max(1, round(duration_s / SAMPLE_S))
    began: float | None = None
    heard = time.monotonic()
    with connection:
        connection.settimeout(TICK_S)
        while not stop.is_set():
            size = _receive_some(connection, buffer)
            now = time.monotonic()
            if size == 0:
                break
            if size > 0:
                began, heard = (now if began is None else began), now
            elif now > heard + _SILENCE_S:
                raise ProbeError(FailureKind.TIMED_OUT, "data stopped coming")
            if began is None:
                continue
            index = int((now - began) / SAMPLE_S)
            if index >= len(counts):
                return tuple(count / SAMPLE_S for count in counts)
            counts[index] += max(size, 0)
    full = 0 if began is None else min(len(counts), int((heard - began) / SAMPLE_S))
    if full < len(counts) // 2:
        raise ProbeError(FailureKind.PEER_LOST, "the stream ended early")
    return tuple(count / SAMPLE_S for count in counts[:full])


def _receive_some(connection: socket.socket, buffer: memoryview) -> int:
    """Bytes received; 0 when the sender is done, -1 when nothing came for now."""
    try:
        return connection.recv_into(buffer)
    except TimeoutError:
        return -1
    except ConnectionResetError:
        return 0
