"""Whether a server may listen at an address of this PC."""

from __future__ import annotations

import errno
import ipaddress
import socket

from homecluster.errors import InputError, MissingError

_PRIVILEGED_BELOW = 1024


def is_loopback(host: str) -> bool:
    """Whether nobody beyond this PC reaches a server at `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_everywhere(host: str) -> bool:
    """Whether a server at `host`, however that is written, would answer on every network of this PC."""
    try:
        found = socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        return False  # none of this PC's, as whoever binds it is told
    return any(ipaddress.ip_address(str(address[0])).is_unspecified for *_, address in found)


def usable_port(host: str, port: int) -> int:
    """`port` if it is free at `host`; a free one for 0.

    Raises:
        MissingError: another program listens there, or only root may.
        InputError: `host` is not an address of this PC.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            # As vLLM does: connections of an earlier server that still close do not count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            return int(listener.getsockname()[1])
    except (socket.gaierror, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no host name"
        raise InputError(f"--host {host}: no such address ({why})") from error
    except OSError as error:
        raise _refusal(host, port, error) from error


def _refusal(host: str, port: int, error: OSError) -> MissingError | InputError:
    if error.errno == errno.EADDRINUSE:
        return MissingError(
            f"port {port} of {host} is taken by another program",
            hint="choose another: --port 0 takes the next free one.",
        )
    if error.errno == errno.EACCES and port < _PRIVILEGED_BELOW:
        return MissingError(f"only root may use port {port}", hint="choose a port from 1024 on.")
    if error.errno == errno.EADDRNOTAVAIL:
        return InputError(
            f"--host {host} is not an address of this PC", hint="ip -brief address lists them."
        )
    return MissingError(f"cannot listen at {host} port {port}: {error.strerror}")
