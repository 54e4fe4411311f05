"""One PC's daemon: the coordinator's part or a member's, and the local socket in front of either."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import aiohttp

from homecluster import __version__
from homecluster.agent.addresses import Address, with_address
from homecluster.agent.announce import announce_cluster
from homecluster.agent.cluster_verbs import CLUSTER_VERBS
from homecluster.agent.coordinator import Coordinator
from homecluster.agent.desk import Desk
from homecluster.agent.folder import AgentFolder
from homecluster.agent.keeper import Keeper
from homecluster.agent.listener import Listener
from homecluster.agent.local_server import LocalServer
from homecluster.agent.member import FindAddresses, MemberLink
from homecluster.agent.member_requests import MemberRequests
from homecluster.agent.messages import COORDINATOR, JOB, Answer, Ask, Hello, raised
from homecluster.agent.places import AddressOf, keep_listening
from homecluster.agent.streams import pump
from homecluster.agent.tokens import fingerprint
from homecluster.agent.tunnels import Ends, Tunnels, join_local
from homecluster.agent.verbs import Verb
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health
from homecluster.errors import InputError, PeerError
from homecluster.store.cluster_state import ClusterState

log = logging.getLogger(__name__)
_MEMBERS_S = 5.0
_WAIT_TO_LIST_S = 1.0
"""Whom we knew last is shown rather than waiting for a coordinator that may be off."""
_LOOK_S = 15.0
_STATE_LOOK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the agent is given of the world above it: its verbs, its jobs, and how it finds others."""

    verbs: Sequence[Verb]
    job_port: Callable[[str], int]
    """Loopback port of a job of this PC; raises InputError when it runs no such job."""
    address_of: AddressOf
    """Of the chosen interface; None while it has none."""
    find_addresses: FindAddresses
    """Where the coordinator may be, beyond what is remembered."""
    versions: Mapping[str, str]
    interface: str | None
    can_be_dialled: bool


class Agent:
    """Runs until `end`; everything it starts ends with it."""

    def __init__(
        self, folder: AgentFolder, state: ClusterState, surroundings: Surroundings
    ) -> None:
        self._folder, self._around = folder, surroundings
        self._keeper = Keeper(folder.state, state)
        self._desk = Desk(surroundings.verbs, folder.home, state.node)
        self._ended = asyncio.Event()
        self._tunnels = Tunnels()
        hello = Hello(
            instance=secrets.token_hex(8),
            versions=dict(surroundings.versions),
            interface=surroundings.interface,
            can_be_dialled=surroundings.can_be_dialled,
        )
        self._coordinator: Coordinator | None = None
        self._link: MemberLink | None = None
        self._requests: MemberRequests | None = None
        self._last_members: list[dict[str, Any]] = []
        if state.is_coordinator:
            self._coordinator = Coordinator(
                self._keeper, self._desk, surroundings.verbs, CLUSTER_VERBS, hello
            )
        else:
            self._link = MemberLink(
                folder=folder,
                keeper=self._keeper,
                desk=self._desk,
                hello=hello,
                dial_job=self._dial_job,
                find_addresses=surroundings.find_addresses,
            )
            self._requests = MemberRequests(self._link)

    def end(self) -> None:
        self._ended.set()

    async def run(self) -> None:
        """Until `end` is called."""
        local = LocalServer(self._folder, self)
        await local.start()
        tasks = [asyncio.create_task(work) for work in (*self._works(), self._watch_state())]
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((ended, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in (ended, *tasks):
                task.cancel()
            await asyncio.gather(ended, *tasks, return_exceptions=True)
            self._tunnels.close()
            await local.stop()
            self._desk.close()

    def _works(self) -> list[Any]:
        if self._coordinator is not None:
            listener = Listener(self._folder, self._coordinator, self._dial_job)
            return [
                self._coordinator.watch(),
                keep_listening(self._coordinator, listener, self._around.address_of),
                announce_cluster(self._coordinator),
            ]
        assert self._link is not None
        return [self._link.run()]

    async def _watch_state(self) -> None:
        """End when this PC is in no cluster any more: its folder was removed by hand."""
        while self._folder.state.exists() or self._folder.backup.exists():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(_STATE_LOOK_S)
        log.warning("the state is gone: ending")
        self.end()

    # --- what the local socket asks ---

    def status(self) -> dict[str, Any]:
        """The agent document: who this PC is in its cluster, and whether it is connected."""
        state = self._keeper.state
        link, coordinator = self._link, self._coordinator
        connected = coordinator is not None or (link is not None and link.channel is not None)
        return {
            "schema": "homecluster.agent/1",
            "version": __version__,
            "pid": os.getpid(),
            "node": state.node,
            "role": state.role,
            "cluster": state.name,
            "cluster_id": state.cluster_id,
            "fingerprint": fingerprint(state.cluster_key_sha256),
            "is_coordinator": state.is_coordinator,
            "epoch": state.epoch,
            "connected": connected,
            "was_put_out": link is not None and link.was_put_out is not None,
            "trouble": link.was_put_out or link.trouble
            if link
            else coordinator.trouble
            if coordinator
            else None,
            "address": coordinator.own_address if coordinator else None,
            "port": state.port,
        }

    async def members(self) -> dict[str, Any]:
        """Everybody; without the coordinator, whom we knew last."""
        own = self._keeper.state.node
        if self._coordinator is not None:
            return {"members": [asdict(one) for one in self._coordinator.members(own)]}
        assert self._requests is not None
        ask = Ask(
            id=secrets.token_hex(16),
            to=COORDINATOR,
            verb="cluster.members",
            body={},
            deadline_s=_MEMBERS_S,
        )
        try:
            answer = await self._requests.ask(ask, _WAIT_TO_LIST_S)
        except PeerError:
            if not self._last_members:
                raise
            return {"members": [_unheard(one) for one in self._last_members]}
        if answer.error is not None:
            raise raised(answer)
        self._last_members = list(answer.body.get("members", []))
        return dict(answer.body)

    async def ask(self, ask: Ask) -> Answer:
        """What the addressee answered; this PC's user asks with this PC's role."""
        state = self._keeper.state
        own = replace(ask, asker=state.node, role=state.role)
        if self._coordinator is not None:
            return await self._coordinator.ask(own)
        if ask.to == state.node:
            return await self._desk.answer(own)
        assert self._requests is not None
        return await self._requests.ask(own)

    async def remember(self, address: Address) -> None:
        """Try the coordinator there first from now on; its key still decides."""
        await self._keeper.put(lambda state: with_address(state, address))

    async def tunnel(self, node: str, job: str) -> str:
        """Path of the socket behind which that job's port is.

        Raises:
            PeerError, InputError: the member is not reached or runs no such job.
        """
        if not JOB.fullmatch(job):
            raise InputError("this is no job's name")
        answer = await self.ask(
            Ask(
                id=secrets.token_hex(16),
                to=NodeId(node),
                verb="agent.job",
                body={"job": job},
                deadline_s=_LOOK_S,
            )
        )
        if answer.error is not None:
            raise PeerError(answer.message, hint=answer.hint)
        path = self._folder.tunnel(node, job)
        await self._tunnels.open(path, lambda near: self._carry(node, job, near))
        return str(path)

    async def _carry(self, node: str, job: str, near: Ends) -> None:
        """Between one local connection and the job, wherever it runs."""
        if node == self._keeper.state.node:
            await join_local(near, await self._dial_job(job))
        elif self._coordinator is not None:
            await pump(*near, await self._coordinator.open_stream(NodeId(node), job))
        else:
            assert self._requests is not None
            async with aiohttp.ClientSession() as session:
                await pump(*near, await self._requests.open_stream(node, job, session))

    async def _dial_job(self, job: str) -> Ends:
        return await asyncio.open_connection("127.0.0.1", self._around.job_port(job))


def _unheard(member: Mapping[str, Any]) -> dict[str, Any]:
    """A member whom we knew, when the coordinator cannot be asked how it is."""
    known = member["is_here"] is True or member["health"] in {Health.DEAD, Health.LEFT}
    return dict(member) if known else {**member, "health": Health.SUSPECT}
