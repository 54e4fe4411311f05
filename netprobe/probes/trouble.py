"""How a socket's or tool's trouble becomes one word of the closed vocabulary."""

from __future__ import annotations

import errno
import socket
from typing import Final

from netprobe.types import Failure, FailureKind

_KIND_OF_ERRNO: Final = {
    errno.ECONNREFUSED: FailureKind.REFUSED,
    errno.EHOSTUNREACH: FailureKind.NO_ROUTE,
    errno.ENETUNREACH: FailureKind.NO_ROUTE,
    errno.ENETDOWN: FailureKind.NO_ROUTE,
    errno.EHOSTDOWN: FailureKind.NO_ROUTE,
    errno.EADDRNOTAVAIL: FailureKind.NO_ROUTE,
    errno.ENODEV: FailureKind.NO_ROUTE,
    errno.EADDRINUSE: FailureKind.PORT_TAKEN,
    errno.ECONNRESET: FailureKind.PEER_LOST,
    errno.ECONNABORTED: FailureKind.PEER_LOST,
    errno.EPIPE: FailureKind.PEER_LOST,
    errno.ENOTCONN: FailureKind.PEER_LOST,
    errno.EPERM: FailureKind.NOT_PERMITTED,
    errno.EACCES: FailureKind.NOT_PERMITTED,
}


class ProbeError(Exception):
    """A measurement ended without a figure."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail

    def failure(self, probe: str) -> Failure:
        """The value that goes into the report."""
        return Failure(probe=probe, kind=self.kind, detail=self.detail)


def from_os_error(error: OSError, doing: str) -> ProbeError:
    """The same trouble as a ProbeError; `doing` says what was tried."""
    if isinstance(error, socket.gaierror):
        return ProbeError(FailureKind.UNKNOWN_HOST, f"{doing}: {error.strerror}")
    if isinstance(error, TimeoutError):
        return ProbeError(FailureKind.TIMED_OUT, f"{doing}: no answer in time")
    kind = _KIND_OF_ERRNO.get(error.errno or 0, FailureKind.TOOL_FAILED)
    return ProbeError(kind, f"{doing}: {error.strerror or error}")
