"""The far side of every probe: waits on one control port, measures only for those who hold the token."""

from netprobe.responder.server import Responder

__all__ = ["Responder"]
