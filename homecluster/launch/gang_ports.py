"""A block of ports that this PC does not use, chosen anew for every job."""

from __future__ import annotations

import random
import socket

from homecluster.errors import MissingError

_FIRST, _LAST = 15_000, 31_900
"""Below the range from which Linux gives ports to outgoing connections (32768 on)."""
_TRIES = 50


def free_ports(address: str, count: int) -> int:
    """The first of `count` ports in a row at which nobody listens.

    Drawn at random: the meeting port of an earlier job may still be waited at by one that died.

    Raises:
        MissingError: the address is not of this PC, or no such block is found.
    """
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        first = draw.randrange(_FIRST, _LAST - count)
        if all(_is_free(address, port) for port in range(first, first + count)):
            return first
    raise MissingError(f"no {count} free ports in a row at {address}")


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        try:
            listener.bind((address, port))
        except OSError:
            return False
    return True
