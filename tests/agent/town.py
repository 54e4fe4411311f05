"""Agents of several PCs in one test process: real TLS on loopback, real local sockets, no processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.agent.agent import Agent, Surroundings
from homecluster.agent.folder import AgentFolder, lock_folder, make_folder
from homecluster.agent.introduce import ask_who
from homecluster.agent.local import COORDINATOR, LocalAgent
from homecluster.agent.tokens import parse_token
from homecluster.agent.verbs import Verb
from homecluster.app.join import create_cluster, join_cluster
from homecluster.app.verbs import all_verbs, job_port
from homecluster.errors import HomeclusterError
from homecluster.store.cluster_state import read_state
from homecluster.store.paths import paths_from
from tests.ports import unused_port
from tests.waiting import within


@dataclass
class Pc:
    """One PC of the test, with its agent if that runs."""

    home: Path
    town: Town
    agent: Agent | None = None
    _running: asyncio.Future[None] | None = None
    _lock: int = -1

    @property
    def its_agent(self) -> Agent:
        """The one that runs."""
        assert self.agent is not None
        return self.agent

    @property
    def local(self) -> LocalAgent:
        return LocalAgent(self.home)

    @property
    def folder(self) -> AgentFolder:
        return AgentFolder(home=self.home)

    def start(self, verbs: Sequence[Verb] = (), address: str | None = "127.0.0.1") -> Pc:
        state = read_state(self.folder.state)
        assert state is not None

        async def nowhere() -> Sequence[tuple[str, int]]:
            return self.town.found

        async def build() -> Agent:
            return Agent(
                self.folder,
                state,
                Surroundings(
                    verbs=(*all_verbs(), *verbs),
                    job_port=lambda job: job_port(
                        paths_from({"HOMECLUSTER_HOME": str(self.home)}), job
                    ),
                    address_of=lambda: address,
                    find_addresses=nowhere,
                    versions={"homecluster": "0.1.0"},
                    interface=None,
                    can_be_dialled=True,
                ),
            )

        make_folder(self.folder)
        self._lock = lock_folder(self.folder)
        self.agent = self.town.do(build())
        self._running = asyncio.run_coroutine_threadsafe(self.agent.run(), self.town.loop)  # type: ignore[assignment]
        within(5, lambda: self.is_up)
        return self

    @property
    def is_up(self) -> bool:
        try:
            self.local.status()
        except HomeclusterError:
            return False
        return True

    def stop(self) -> None:
        if self.agent is not None and self._running is not None:
            self.town.loop.call_soon_threadsafe(self.agent.end)
            self._running.result()
            self.agent = None
            os.close(self._lock)


class Town:
    """Owns the event loop that all agents share, and ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.loop = folder, asyncio.new_event_loop()
        self.found: tuple[tuple[str, int], ...] = ()
        self.port = unused_port()
        self._pcs: list[Pc] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def pc(self, name: str) -> Pc:
        made = Pc(home=self.folder / name, town=self)
        self._pcs.append(made)
        return made

    def coordinator(self, name: str = "a", verbs: Sequence[Verb] = ()) -> Pc:
        made = self.pc(name)
        create_cluster(made.home, name=name, interface=None, port=self.port)
        made.start(verbs)
        within(5, lambda: made.local.status()["address"])
        return made

    def token(self, of: Pc, role: str = "worker") -> str:
        return str(
            of.local.ask(COORDINATOR, "cluster.token", {"role": role}, deadline_s=30)["token"]
        )

    def member(self, name: str, of: Pc, role: str = "worker", verbs: Sequence[Verb] = ()) -> Pc:
        made = self.pc(name)
        token = parse_token(self.token(of, role))
        introduction = ask_who("127.0.0.1", self.port)
        join_cluster(made.home, token, introduction, name=name, interface=None)
        made.start(verbs)
        within(5, lambda: made.local.status()["connected"], lambda: made.local.status()["trouble"])
        return made

    def close(self) -> None:
        for one in reversed(self._pcs):
            one.stop()
            if (
                one.folder.sockets != one.folder.path
            ):  # in /tmp, since the test's own path is too long
                shutil.rmtree(one.folder.sockets, ignore_errors=True)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@contextmanager
def town_in(folder: Path) -> Iterator[Town]:
    made = Town(folder)
    try:
        yield made
    finally:
        made.close()
