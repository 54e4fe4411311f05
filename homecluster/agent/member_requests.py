"""What a member's own commands ask: through its link to the coordinator, with patience for a broken one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp

from homecluster.agent.addresses import url, why
from homecluster.agent.channel import Channel, ClosedError
from homecluster.agent.clock import boottime_s
from homecluster.agent.member import MemberLink
from homecluster.agent.messages import Answer, Ask
from homecluster.agent.streams import CHUNK_BYTES
from homecluster.errors import PeerError

_WAIT_FOR_COORDINATOR_S = 8.0
_PAUSE_S = 0.05


class MemberRequests:
    """Asks over whatever channel the link has by then."""

    def __init__(self, link: MemberLink) -> None:
        self._link = link

    async def ask(self, ask: Ask, wait_s: float = _WAIT_FOR_COORDINATOR_S) -> Answer:
        """Ask through the coordinator, again with the same id when the connection breaks.

        Raises:
            PeerError: the coordinator is not reached, or nothing came in time.
        """
        ends_s = boottime_s() + ask.deadline_s
        while True:
            channel = await self._open_within(min(wait_s, ends_s - boottime_s()))
            left_s = ends_s - boottime_s()
            if left_s <= 0:
                raise PeerError(f"no answer to {ask.verb} within {ask.deadline_s:g} s")
            try:
                return await channel.ask(replace(ask, deadline_s=left_s))
            except ClosedError:
                await asyncio.sleep(_PAUSE_S)  # the listening side must get its turn to notice

    async def _open_within(self, limit_s: float) -> Channel:
        ends_s = boottime_s() + limit_s
        while True:
            channel = self._link.channel
            if channel is not None and channel.is_open:
                return channel
            if self._link.was_put_out or boottime_s() >= ends_s:
                raise PeerError(
                    f"the coordinator is not reached: {self._link.was_put_out or self._link.trouble}",
                    hint=(
                        "homecluster leave, then join with a new token"
                        if self._link.was_put_out
                        else "is that PC on, and its agent? This PC keeps trying by itself."
                    ),
                )
            await asyncio.sleep(_PAUSE_S)

    async def open_stream(
        self, node: str, job: str, session: aiohttp.ClientSession
    ) -> aiohttp.ClientWebSocketResponse:
        """A stream to a job of another PC, through the coordinator.

        Raises:
            PeerError: the coordinator is not reached or refuses.
        """
        await self._open_within(_WAIT_FOR_COORDINATOR_S)
        assert self._link.address is not None
        try:
            return await session.ws_connect(
                f"{url(self._link.address, 'stream')}?to={node}&job={job}",
                ssl=self._link.context,
                compress=0,
                max_msg_size=2 * CHUNK_BYTES,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise PeerError(f"no stream to {job} of {node}: {why(error)}") from error
