"""Where requests to this very PC are worked on: verbs by the table, in threads, once each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from homecluster.agent.answers import Answers
from homecluster.agent.messages import Answer, Ask
from homecluster.agent.verbs import Asked, Verb, find, may
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, PeerError

THREADS = 16
"""For workers' verbs, and as many again for operators': looking must never keep a job from being led."""
OF_ONE_ASKER = 4
"""Requests of one PC that run at a time; the next ones wait without a thread."""
AT_ONCE = 256
"""Requests that wait for a thread or run in one."""
log = logging.getLogger(__name__)


class Desk:
    """Knows the verbs of this PC and runs them."""

    def __init__(self, verbs: Sequence[Verb], home: Path, node: NodeId) -> None:
        self._verbs, self._home, self._node = verbs, home, node
        self._answers = Answers(node, AT_ONCE)
        self._threads = {
            role: ThreadPoolExecutor(THREADS, thread_name_prefix=f"verb of {role}") for role in Role
        }
        self._turns: dict[tuple[NodeId, Role], asyncio.Semaphore] = {}

    async def answer(self, ask: Ask) -> Answer:
        """What this PC says to `ask`, whose asker and role the coordinator vouches for."""
        return await self._answers.once(ask, lambda: self._work(ask))

    async def _work(self, ask: Ask) -> Mapping[str, Any]:
        verb = find(self._verbs, ask.verb)
        if verb is None:
            raise InputError(
                f"{self._node} knows no {ask.verb}", hint="upgrade homecluster on that PC."
            )
        check_role(ask, verb.needs)
        asked = Asked(
            home=self._home,
            node=self._node,
            asker=ask.asker,
            role=ask.role,
            deadline_s=ask.deadline_s,
        )
        log.info("%s for %s", ask.verb, ask.asker)
        loop = asyncio.get_running_loop()
        turns = self._turns.setdefault((ask.asker, verb.needs), asyncio.Semaphore(OF_ONE_ASKER))
        async with turns:
            return await loop.run_in_executor(
                self._threads[verb.needs], verb.handle, asked, ask.body
            )

    def close(self) -> None:
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)


def check_role(ask: Ask, needs: Role) -> None:
    """Raises PeerError when the asker's role is not enough."""
    if not may(ask.role, needs):
        raise PeerError(
            f"{ask.asker} is a {ask.role} of this cluster, and what it asks is for operators",
            hint="type it on an operator's PC, or join anew with a token of `homecluster token --operator`.",
        )
