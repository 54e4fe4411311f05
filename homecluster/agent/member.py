"""A member's part: keep one connection to the coordinator, beat on it, and work on what comes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import aiohttp

from homecluster.agent.addresses import Address, shown, url, why, with_address
from homecluster.agent.answering import answering
from homecluster.agent.bringing import Bringer
from homecluster.agent.channel import Channel, ClosedError
from homecluster.agent.clock import boottime_s
from homecluster.agent.desk import Desk
from homecluster.agent.folder import AgentFolder
from homecluster.agent.keeper import Keeper
from homecluster.agent.limits import (
    BEAT_S,
    CONNECT_S,
    DEAD_S,
    MAX_ANSWER_BYTES,
    RETRY_MAX_S,
    RETRY_MIN_S,
    SUSPECT_S,
)
from homecluster.agent.listener import DialJob
from homecluster.agent.messages import (
    Ask,
    Beat,
    Dial,
    Ended,
    Hello,
    Message,
    Welcome,
    message_from,
)
from homecluster.agent.safe_json import BadMessageError
from homecluster.agent.trust import member_context
from homecluster.errors import MissingError
from homecluster.inventory.addresses import interface_with
from homecluster.store.cluster_state import ClusterState

log = logging.getLogger(__name__)
FindAddresses = Callable[[], Awaitable[Sequence[Address]]]
_GONE, _NOT_A_MEMBER, _NO_MEMBER = 410, 403, 401


class LostError(Exception):
    """The coordinator says that this PC is no member any more."""


class MemberLink:
    """Dials, stays, and dials again; `channel` is the open connection, if there is one."""

    def __init__(
        self,
        *,
        folder: AgentFolder,
        keeper: Keeper,
        desk: Desk,
        hello: Hello,
        dial_job: DialJob,
        find_addresses: FindAddresses,
    ) -> None:
        self._keeper, self._desk = keeper, desk
        self._hello, self._dial_job, self._find = hello, dial_job, find_addresses
        self.context = member_context(folder)
        self.address: Address | None = None
        self._heard_s = boottime_s()
        self._lost: str | None = None
        self._elsewhere: tuple[Address, ...] = ()
        """Where the coordinator was seen while its old address was silent."""
        self.channel: Channel | None = None
        self.trouble: str | None = "not connected yet"
        self.was_put_out: str | None = None
        """Why, once it was; it goes on looking, since another PC may take over with a backup."""

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = RETRY_MIN_S
        while True:
            begun_s = boottime_s()
            try:
                await self._once()
            except LostError as error:
                self.trouble = self.was_put_out = str(error)
                log.warning("%s", error)
            except Exception:  # the boundary: whatever it was, the next try may work
                self.trouble = "this PC's agent stumbled; homecluster logs --agent tells why"
                log.exception("connection failed")
            if boottime_s() - begun_s > DEAD_S:
                pause_s = RETRY_MIN_S
            await asyncio.sleep(random.uniform(RETRY_MIN_S / 2, pause_s))  # noqa: S311 - spreads reconnecting PCs, guards nothing
            pause_s = min(RETRY_MAX_S, pause_s * 2)

    async def _once(self) -> None:
        """Try every address that takes a connection once; stay with the first that is our coordinator."""
        known = (*self._elsewhere, *self._keeper.state.addresses)
        self._elsewhere, self._lost = (), None
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_connect=CONNECT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            aclosing(answering(known, self._find, self._unreached)) as addresses,
        ):
            async for address in addresses:
                if await self._tried(address, session):
                    return
        if self._lost is not None:
            # Only when nobody took us: a coordinator of the past may know less.
            raise LostError(self._lost)

    async def _tried(self, address: Address, session: aiohttp.ClientSession) -> bool:
        """Whether it was our coordinator's, and that connection has ended by now."""
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await session.ws_connect(
                    url(address, "channel"),
                    ssl=self.context,
                    compress=0,
                    max_msg_size=MAX_ANSWER_BYTES,
                )
        except aiohttp.WSServerHandshakeError as error:
            self._refused(address, error.status)
            return False
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._unreached(address, error)
            return False
        return await self._stay(Channel(socket), address, session)

    def _unreached(self, address: Address, error: BaseException) -> None:
        self.trouble = f"{shown(address)}: {why(error)}"

    def _refused(self, address: Address, status: int) -> None:
        if status == _GONE:
            self._lost = "this PC was put out of the cluster"
        elif status in {_NOT_A_MEMBER, _NO_MEMBER}:
            self._lost = f"the coordinator at {shown(address)} does not know this PC as a member"
        else:
            self.trouble = f"{shown(address)}: refused with {status}"

    async def _stay(
        self, channel: Channel, address: Address, session: aiohttp.ClientSession
    ) -> bool:
        """Whether it was the coordinator of today; returns when the connection has ended."""
        is_ours = False
        try:
            is_ours = await self._greet(channel, address)
            if not is_ours:
                return False
            self.channel, self.trouble = channel, None
            bringer = Bringer(
                address=address, session=session, context=self.context, dial_job=self._dial_job
            )
            beating = asyncio.create_task(self._beat(channel))
            moving = asyncio.create_task(self._watch_for_a_move(channel, address))
            try:
                await channel.listen(lambda message: self._hear(channel, message, bringer))
            finally:
                beating.cancel()
                moving.cancel()
        except (ClosedError, BadMessageError, ConnectionError) as error:
            log.warning("connection to %s ended: %s", shown(address), error)
        finally:
            self.channel = None
            self.trouble = self.trouble or "the connection to the coordinator broke"
            await channel.close()
        return is_ours

    async def _greet(self, channel: Channel, address: Address) -> bool:
        """Whether it is the coordinator of today."""
        local = channel.socket.get_extra_info("sockname")
        interface = await asyncio.to_thread(interface_with, local[0]) if local else None
        await channel.say(replace(self._hello, interface=interface))
        try:
            async with asyncio.timeout(2 * CONNECT_S):
                welcome = message_from(await channel.socket.receive_str())
        except (TimeoutError, TypeError):
            self.trouble = f"{shown(address)}: said nothing"
            return False
        if isinstance(welcome, Ended):
            self.trouble = welcome.reason
            if welcome.is_final:
                raise LostError(welcome.reason)
            return False
        state = self._keeper.state
        if not isinstance(welcome, Welcome) or welcome.epoch < state.epoch:
            self.trouble = (
                f"{shown(address)} is a coordinator of the past: another PC has taken over"
            )
            return False
        await self._remember(lambda state: _after_welcome(state, welcome, address))
        self.address, self._heard_s = address, boottime_s()
        self.was_put_out = None
        log.info("connected to the coordinator at %s", shown(address))
        return True

    async def _remember(self, step: Callable[[ClusterState], ClusterState]) -> None:
        """On the disk if it has room: a full one must not keep this PC out."""
        try:
            await self._keeper.put(step)
        except MissingError as error:
            log.warning("%s", error.message)

    async def _beat(self, channel: Channel) -> None:
        """Once a second; a coordinator that does not beat back is left."""
        before_s = boottime_s()
        while True:
            now_s = boottime_s()
            own_pause_s = max(0.0, now_s - before_s - 2 * BEAT_S)
            self._heard_s = min(now_s, self._heard_s + own_pause_s)
            before_s = now_s
            if now_s - self._heard_s > DEAD_S:
                self.trouble = "the coordinator is silent"
                await channel.close()
                return
            try:
                await channel.say(Beat())
            except ClosedError:
                return  # the listening side notices too, and says why
            await asyncio.sleep(BEAT_S)

    async def _watch_for_a_move(self, channel: Channel, address: Address) -> None:
        """Look on the network once the coordinator is suspect, and leave if it answers elsewhere only."""
        while True:
            await asyncio.sleep(BEAT_S)
            if boottime_s() - self._heard_s < SUSPECT_S:
                continue
            found = tuple(await self._find())
            is_silent = boottime_s() - self._heard_s >= SUSPECT_S
            if found and address not in found and is_silent:
                self._elsewhere = found
                self.trouble = f"the coordinator moved from {shown(address)}"
                await channel.close()
                return

    async def _hear(self, channel: Channel, message: Message, bringer: Bringer) -> None:
        self._heard_s = boottime_s()
        match message:
            case Beat():
                pass
            case Ask():
                channel.spawn(self._answer(channel, message))
            case Dial():
                channel.spawn(bringer.bring(channel, message))
            case Ended(reason=reason, is_final=True):
                raise LostError(reason)
            case Ended(reason=reason):
                self.trouble = reason
                await channel.close()
            case _:
                raise BadMessageError(f"a coordinator does not say {type(message).__name__}")

    async def _answer(self, channel: Channel, ask: Ask) -> None:
        await channel.say(await self._desk.answer(ask))


def _after_welcome(state: ClusterState, welcome: Welcome, address: Address) -> ClusterState:
    """Remember where the coordinator was, and never listen to an older one again."""
    known = with_address(state, address)
    return replace(known, epoch=max(state.epoch, welcome.epoch), role=welcome.role)
