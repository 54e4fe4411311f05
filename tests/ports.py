"""Ports for servers of tests: outside the range from which the kernel gives ports to outgoing connections."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 29_000


def unused_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listened at a moment ago."""
    for port in random.SystemRandom().sample(range(_FIRST, _LAST), 200):
        with socket.socket() as listener:
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no port of {_FIRST} to {_LAST} is free")
