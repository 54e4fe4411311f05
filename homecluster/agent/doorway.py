"""What a stranger may do: ask who we are, and join with a token. Nothing else answers without a member's key."""

from __future__ import annotations

import logging
import time
from typing import Any

from aiohttp import web

from homecluster import __version__
from homecluster.agent.cluster_verbs import now
from homecluster.agent.folder import AgentFolder
from homecluster.agent.identity import certify, key_of_request, key_sha256, read_key
from homecluster.agent.keeper import Keeper
from homecluster.agent.limits import (
    JOINS_PER_S,
    NEWEST_PROTOCOL,
    OLDEST_PROTOCOL,
)
from homecluster.agent.pairing import Admitted, JoinRequest, admit
from homecluster.agent.rate import Bucket
from homecluster.agent.safe_json import BadMessageError, parse_table
from homecluster.agent.versions import told_to_far
from homecluster.domain.ids import NodeId

log = logging.getLogger(__name__)
_HELLOS_PER_S = 50.0
_BURST_S = 4.0
_MAX_REQUEST_TEXT = 8192


class Doorway:
    """Handlers of `GET /v1/hello` and `POST /v1/join`."""

    def __init__(self, folder: AgentFolder, keeper: Keeper) -> None:
        self._folder, self._keeper = folder, keeper
        self._cluster_key = read_key(folder.cluster_key)
        self._certificate = folder.cluster_certificate.read_bytes()
        self._joins = Bucket(JOINS_PER_S, JOINS_PER_S * _BURST_S, time.monotonic)
        self._hellos = Bucket(_HELLOS_PER_S, _HELLOS_PER_S * _BURST_S, time.monotonic)

    async def hello(self, request: web.Request) -> web.Response:
        """Who we are, for PCs that look for their cluster."""
        del request
        if not self._hellos.take():
            return refused(429, "too many questions; wait a second")
        state = self._keeper.state
        return web.json_response(
            {
                "schema": "homecluster.hello/1",
                "version": __version__,
                "oldest_protocol": OLDEST_PROTOCOL,
                "newest_protocol": NEWEST_PROTOCOL,
                "cluster_id": state.cluster_id,
                "name": state.name,
                "cluster_certificate": self._certificate.decode(),
            }
        )

    async def join(self, request: web.Request) -> web.Response:
        """Let a PC in that holds a token."""
        if not self._joins.take():
            return refused(429, "too many PCs join at once; try again in a second")
        body = parse_table(await request.read())
        if (outdated := version_trouble(body)) is not None:
            return refused(426, outdated)
        key = key_of_request(_text(body, "request"))
        asked = JoinRequest(
            token_id=_text(body, "token_id"),
            secret=_text(body, "secret"),
            key_sha256=key_sha256(key),
            wanted_name=_text(body, "name"),
        )
        result = await self._keeper.change(lambda state: admit(state, asked, now()))
        if not isinstance(result, Admitted):
            log.warning("join from %s refused: %s", request.remote, result.reason)
            return refused(result.status, result.reason)
        pin, state = result.pin, self._keeper.state
        certificate = certify(
            self._cluster_key,
            self._certificate,
            key,
            cluster_id=state.cluster_id,
            node=pin.node,
            is_coordinator=False,
        )
        log.info("%s joined as %s from %s", pin.node, pin.role, request.remote)
        return web.json_response(
            {
                "schema": "homecluster.join/1",
                "node": NodeId(pin.node),
                "role": pin.role,
                "cluster_id": state.cluster_id,
                "name": state.name,
                "epoch": state.epoch,
                "certificate": certificate.decode(),
            }
        )


def refused(status: int, reason: str) -> web.Response:
    """A no with its reason."""
    return web.json_response({"schema": "homecluster.refused/1", "reason": reason}, status=status)


def version_trouble(table: dict[str, Any]) -> str | None:
    """Which side to upgrade when no protocol is spoken by both; None when one is."""
    oldest, newest = table.get("oldest_protocol"), table.get("newest_protocol")
    if type(oldest) is not int or type(newest) is not int or oldest > newest:
        raise BadMessageError("the protocol range is missing")
    return told_to_far(oldest, newest)


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or len(value) > _MAX_REQUEST_TEXT:
        raise BadMessageError(f"{key!r} is no text")
    return value
