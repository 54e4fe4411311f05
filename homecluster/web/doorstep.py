"""How many connections may wait at the dashboard's door without a session."""

from __future__ import annotations

from typing import Final

from aiohttp import web

_MOST_STRANGERS: Final = 64


class Doorstep:
    """Takes connections for aiohttp's server; one stranger too many displaces the oldest of them.

    A login takes milliseconds, so it is over before it is the oldest: a thousand silent connections keep
    nobody out, and cannot use up this process's file handles.
    """

    def __init__(self, server: web.Server, guests: set[web.RequestHandler]) -> None:
        """`guests` have shown a session; those that are gone are taken out of it."""
        self._server, self._guests = server, guests

    def __call__(self) -> web.RequestHandler:
        here = self._server.connections
        self._guests.intersection_update(here)
        strangers = [one for one in here if one not in self._guests]
        for one in strangers[: -_MOST_STRANGERS + 1]:
            one.force_close()
        return self._server()
