"""The coordinator's part: who is connected, how they are, and passing requests on with the roles checked."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from homecluster.agent.answers import Answers, Body
from homecluster.agent.channel import Channel, ClosedError, WebSocket
from homecluster.agent.clock import boottime_s
from homecluster.agent.cluster_verbs import ClusterVerb
from homecluster.agent.desk import Desk, check_role
from homecluster.agent.expected_streams import ExpectedStreams
from homecluster.agent.health import Heard, forgiven, health_of, heard_now
from homecluster.agent.keeper import Keeper
from homecluster.agent.limits import BEAT_S
from homecluster.agent.messages import COORDINATOR, Answer, Ask, Ended, Hello, raised
from homecluster.agent.verbs import Verb, find
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.errors import InputError, PeerError

_AT_ONCE = 1024
_PAUSE_S = 0.05
_WAIT_FOR_MEMBER_S = 6.0
"""A request waits that long for a member that is just reconnecting."""
log = logging.getLogger(__name__)


class Live:
    """One member's open channel and what it said of itself."""

    def __init__(self, channel: Channel, hello: Hello, address: str, key_sha256: str) -> None:
        self.channel, self.hello, self.address = channel, hello, address
        self.key_sha256 = key_sha256


class Coordinator:
    """Holds the live members; the listener brings them, the local socket and they themselves ask."""

    def __init__(
        self,
        keeper: Keeper,
        desk: Desk,
        verbs: Sequence[Verb],
        cluster_verbs: Sequence[ClusterVerb],
        own: Hello,
    ) -> None:
        self.keeper, self._desk, self._verbs, self._own = keeper, desk, verbs, own
        self._cluster_verbs = cluster_verbs
        self.live: dict[NodeId, Live] = {}
        self.heard: dict[NodeId, Heard] = {}
        self.last: dict[NodeId, Live] = {}
        self._held: dict[NodeId, set[WebSocket]] = {}
        self._answers = Answers(keeper.state.node, _AT_ONCE)
        self.streams = ExpectedStreams()
        self.own_address: str | None = None
        self.own_interface: str | None = None
        self.trouble: str | None = "not listening yet"
        self._looked_at_s = boottime_s()

    # --- members ---

    def members(self, here: NodeId) -> tuple[Member, ...]:
        """Everybody, the coordinator first, as the PC `here` sees them."""
        state, now_s = self.keeper.state, boottime_s()
        own = Member(
            node=state.node,
            name=state.node,
            role=state.role,
            health=Health.ALIVE,
            is_coordinator=True,
            is_here=here == state.node,
            address=self.own_address,
            interface=self.own_interface,
            can_be_dialled=self._own.can_be_dialled,
            last_seen_s=0.0,
            versions=tuple(self._own.versions.items()),
        )
        others = (self._member(pin.node, pin.role, here, now_s) for pin in state.pins)
        return (own, *sorted(others, key=lambda member: member.name))

    def _member(self, node: NodeId, role: Role, here: NodeId, now_s: float) -> Member:
        heard = self.heard.get(node, Heard(at_s=None))
        last = self.last.get(node)
        return Member(
            node=node,
            name=node,
            role=role,
            health=health_of(heard, now_s),
            is_coordinator=False,
            is_here=here == node,
            address=last.address if last else None,
            interface=last.hello.interface if last else None,
            can_be_dialled=last.hello.can_be_dialled if last else False,
            last_seen_s=None if heard.at_s is None else max(0.0, now_s - heard.at_s),
            versions=tuple(last.hello.versions.items()) if last else (),
        )

    async def enter(self, node: NodeId, live: Live) -> str | None:
        """Make `live` the member's channel; a text says why not."""
        before = self.live.get(node)
        if before is not None and before.channel.is_open:
            is_same = before.hello.instance == live.hello.instance
            if not is_same and await self._still_speaks(node):
                return (
                    f"another PC at {before.address} is here with the same identity as {live.address}: "
                    "a cloned disk? On the clone: homecluster leave --force, then join anew"
                )
            await before.channel.close()
        self.live[node] = self.last[node] = live
        self.hear(node)
        return None

    async def _still_speaks(self, node: NodeId) -> bool:
        """Whether the channel that is there brings another heartbeat within three."""
        before = self.heard.get(node)
        for _ in range(30):
            await asyncio.sleep(BEAT_S / 10)
            if node not in self.live:
                return False
            if self.heard.get(node) != before:
                return True
        return False

    def hear(self, node: NodeId) -> None:
        self.heard[node] = heard_now(self.heard.get(node, Heard(at_s=None)), boottime_s())

    def leave(self, node: NodeId, live: Live) -> None:
        """The channel ended; the member may come back."""
        if self.live.get(node) is live:
            del self.live[node]

    async def put_out(self, node: NodeId, reason: str) -> None:
        """End the member's connection now; its pin is gone already."""
        live = self.live.pop(node, None)
        self.heard.pop(node, None)
        self.last.pop(node, None)
        if live is not None:
            try:
                await live.channel.say(Ended(reason=reason, is_final=True))
            except ClosedError:
                log.debug("%s was gone already", node)
            await live.channel.close()
        for socket in tuple(self._held.get(node, ())):
            await Channel(socket).close()

    @contextmanager
    def holding(self, node: NodeId, socket: WebSocket) -> Iterator[None]:
        """While inside, the connection is the member's and ends with its membership."""
        held = self._held.setdefault(node, set())
        held.add(socket)
        try:
            yield
        finally:
            held.discard(socket)

    async def hang_up(self) -> None:
        """Close every connection of every member; they come back when we listen again."""
        sockets = [socket for held in self._held.values() for socket in held]
        await asyncio.gather(*(Channel(socket).close() for socket in sockets))

    def connections(self, node: NodeId) -> int:
        return len(self._held.get(node, ()))

    async def watch(self) -> None:
        """Notice our own pauses, and close channels that say nothing any more."""
        while True:
            now_s = boottime_s()
            for node, heard in tuple(self.heard.items()):
                self.heard[node] = forgiven(heard, looked_at_s=self._looked_at_s, now_s=now_s)
                if health_of(self.heard[node], now_s) is Health.DEAD and node in self.live:
                    log.warning("%s is silent: closing its connection", node)
                    await self.live.pop(node).channel.close()
            self._looked_at_s = now_s
            await asyncio.sleep(BEAT_S)

    # --- requests ---

    async def ask(self, ask: Ask) -> Answer:
        """Pass on a request whose `asker` and `role` are known to be true."""
        own = replace(ask, id=_own_id(ask))
        return await self._answers.once(own, lambda: self._pass_on(own))

    async def _pass_on(self, ask: Ask) -> Body:
        own = self.keeper.state.node
        if ask.to == COORDINATOR:
            for verb in self._cluster_verbs:
                if verb.name == ask.verb:
                    check_role(ask, verb.needs)
                    return await verb.handle(self, ask)
            raise InputError(f"the coordinator knows no {ask.verb}")
        known = find(self._verbs, ask.verb)
        if known is not None:
            check_role(ask, known.needs)
        elif ask.role is not Role.OPERATOR:
            raise PeerError(f"the coordinator {own} knows no {ask.verb}: upgrade homecluster there")
        if ask.to == own:
            answer = await self._desk.answer(ask)
        else:
            answer = await self._ask_member(ask)
        if answer.error is not None:
            raise raised(answer)
        return answer.body

    async def _ask_member(self, ask: Ask) -> Answer:
        """Ask again with the same id when the connection breaks; the member answers once."""
        ends_s = boottime_s() + ask.deadline_s
        while True:
            live = await self._live_within(ask.to, min(_WAIT_FOR_MEMBER_S, ends_s - boottime_s()))
            left_s = ends_s - boottime_s()
            if left_s <= 0:
                raise PeerError(f"no answer to {ask.verb} within {ask.deadline_s:g} s")
            try:
                return await live.channel.ask(replace(ask, deadline_s=left_s))
            except ClosedError:
                await asyncio.sleep(_PAUSE_S)  # the listening side must get its turn to notice

    async def _live_within(self, node: NodeId, limit_s: float) -> Live:
        if all(pin.node != node for pin in self.keeper.state.pins):
            raise PeerError(f"no member is called {node!r}", hint="homecluster nodes lists them.")
        ends_s = boottime_s() + limit_s
        while True:
            live = self.live.get(node)
            if live is not None and live.channel.is_open:
                return live
            dead = health_of(self.heard.get(node, Heard(at_s=None)), boottime_s()) is Health.DEAD
            if dead or boottime_s() >= ends_s:
                raise PeerError(
                    f"{node} is not connected",
                    hint=f"is it on? On {node}: homecluster join starts its agent again.",
                )
            await asyncio.sleep(_PAUSE_S)

    async def open_stream(self, node: NodeId, job: str) -> WebSocket:
        """A connection that the member brings to its job's port.

        Raises:
            PeerError: it is not connected or brings none.
        """
        live = await self._live_within(node, _WAIT_FOR_MEMBER_S)
        return await self.streams.open(node, job, live.channel)


def _own_id(ask: Ask) -> str:
    """Two members may choose the same id; neither may get the other's answer."""
    return f"{ask.asker}:{hashlib.sha256(ask.id.encode()).hexdigest()[:32]}"
