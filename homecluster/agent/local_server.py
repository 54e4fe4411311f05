"""The Unix socket over which this PC's own commands reach its agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from homecluster.agent.folder import AgentFolder
from homecluster.agent.limits import MAX_ANSWER_BYTES
from homecluster.agent.messages import Answer, ask_from, refusal
from homecluster.agent.safe_json import BadMessageError, parse_table
from homecluster.errors import HomeclusterError, InputError

if TYPE_CHECKING:
    from homecluster.agent.agent import Agent

log = logging.getLogger(__name__)
_SHUTDOWN_S = 0.5
_PORTS = 65536


class LocalServer:
    """Whoever may open the socket is this user: its folder is 0700 and itself 0600."""

    def __init__(self, folder: AgentFolder, agent: Agent) -> None:
        self._folder, self._agent = folder, agent
        app = web.Application(client_max_size=MAX_ANSWER_BYTES)
        app.router.add_get("/v1/status", self._status)
        app.router.add_get("/v1/members", self._members)
        app.router.add_post("/v1/ask", _told(self._ask))
        app.router.add_post("/v1/tunnel", _told(self._tunnel))
        app.router.add_post("/v1/remember", _told(self._remember))
        app.router.add_post("/v1/stop", self._stop)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)

    async def start(self) -> None:
        """Listen; a socket that a killed agent left is replaced (we hold the lock)."""
        path = self._folder.socket
        path.unlink(missing_ok=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(path)).start()
        path.chmod(0o600)

    async def stop(self) -> None:
        self._folder.socket.unlink(missing_ok=True)  # first: whoever comes now must not wait for us
        await self._runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._agent.status())

    async def _members(self, request: web.Request) -> web.Response:
        del request
        try:
            return web.json_response(await self._agent.members())
        except HomeclusterError as error:
            return _answered(refusal("members", error))

    async def _ask(self, table: Mapping[str, Any]) -> Answer:
        return await self._agent.ask(ask_from(table))

    async def _tunnel(self, table: Mapping[str, Any]) -> Answer:
        node, job = table.get("node"), table.get("job")
        if not isinstance(node, str) or not isinstance(job, str):
            raise InputError("'node' and 'job' are names")
        return Answer(id="tunnel", body={"path": await self._agent.tunnel(node, job)})

    async def _remember(self, table: Mapping[str, Any]) -> Answer:
        host, port = table.get("host"), table.get("port")
        if not isinstance(host, str) or type(port) is not int or not 0 < port < _PORTS:
            raise InputError("'host' and 'port' are an address")
        await self._agent.remember((host[:253], port))
        return Answer(id="remember")

    async def _stop(self, request: web.Request) -> web.Response:
        del request
        asyncio.get_running_loop().call_later(0.05, self._agent.end)
        return web.json_response({"stopping": True})


def _told(
    handle: Callable[[Mapping[str, Any]], Awaitable[Answer]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """An expected no goes back to the command as what it is."""

    async def answer(request: web.Request) -> web.Response:
        try:
            table = parse_table(await request.read(), limit_bytes=MAX_ANSWER_BYTES)
            return _answered(await handle(table))
        except BadMessageError as error:
            return _answered(refusal("request", InputError(str(error))))
        except HomeclusterError as error:
            return _answered(refusal("request", error))

    return answer


def _answered(answer: Answer) -> web.Response:
    return web.json_response(
        {
            "id": answer.id,
            "body": dict(answer.body),
            "error": answer.error,
            "message": answer.message,
            "hint": answer.hint,
        }
    )
