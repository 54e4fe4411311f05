"""Requests to a running lab: one JSON line each way over a Unix socket in its folder."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

SOCKET_NAME: Final = "control"
_REPLY_TIMEOUT_S: Final = 10.0
_MOST_REQUEST_BYTES: Final = 1 << 16


class LabError(RuntimeError):
    """The lab could not be made, or refused a change; the message says why."""


def ask(folder: Path, request: dict[str, Any]) -> Any:
    """The lab's answer.

    Raises:
        LabError: no lab lives there, or it refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_REPLY_TIMEOUT_S)
            line.connect(str(folder / SOCKET_NAME))
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("r") as replies:
                text = replies.readline()
    except OSError as error:
        raise LabError(f"no lab answers in {folder}: {error}") from error
    if not text:
        raise LabError(f"the lab in {folder} ended")
    reply = json.loads(text)
    if "error" in reply:
        raise LabError(reply["error"])
    return reply["ok"]


class ControlServer:
    """Answers requests between frames; a client that says nothing holds nothing up."""

    def __init__(self, folder: Path, answer: Callable[[dict[str, Any]], object]) -> None:
        self._answer = answer
        self._door = socket.socket(socket.AF_UNIX)
        self._door.setblocking(False)
        self._door.bind(str(folder / SOCKET_NAME))
        self._door.listen()
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}

    def handles(self) -> list[int]:
        """What to watch for reading."""
        return [self._door.fileno(), *self._clients]

    def on_readable(self, handle: int) -> None:
        """Serve one of the handles."""
        if handle == self._door.fileno():
            client, _ = self._door.accept()
            client.setblocking(False)
            self._clients[client.fileno()] = client, bytearray()
            return
        client, received = self._clients[handle]
        try:
            piece = client.recv(4096)
        except OSError:
            piece = b""
        received += piece
        if piece and b"\n" not in received and len(received) < _MOST_REQUEST_BYTES:
            return
        if piece:
            self._reply(client, bytes(received))
        del self._clients[handle]
        client.close()

    def _reply(self, client: socket.socket, line: bytes) -> None:
        try:
            reply: dict[str, object] = {"ok": self._answer(json.loads(line))}
        except (ValueError, KeyError, TypeError, OSError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        try:
            client.sendall(json.dumps(reply).encode() + b"\n")
        except OSError:
            return  # the client did not wait, or does not read: its loss
