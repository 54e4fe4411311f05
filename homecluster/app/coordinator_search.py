"""A member looks for its coordinator: often at first, then so rarely that a night without it disturbs nobody."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from homecluster.agent.addresses import Address
from homecluster.app.find_cluster import find_cluster
from homecluster.store.cluster_state import ClusterState

log = logging.getLogger(__name__)
_FIRST_PAUSE_S: Final = 4.0
_LAST_PAUSE_S: Final = 300.0
_QUIET_S: Final = 30.0
"""Without a search for so long we were connected: the next trouble is a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When every address of the own network may be asked again."""

    pause_s: float = _FIRST_PAUSE_S
    next_sweep_s: float = 0.0
    searched_s: float = 0.0


def paced(pace: Pace, now_s: float) -> tuple[Pace, bool]:
    """The pace after a search at `now_s`, and whether that one may sweep; pauses double up to five minutes."""
    if now_s - pace.searched_s > _QUIET_S:
        pace = Pace(next_sweep_s=now_s)
    if now_s < pace.next_sweep_s:
        return replace(pace, searched_s=now_s), False
    return Pace(
        pause_s=min(_LAST_PAUSE_S, 2 * pace.pause_s),
        next_sweep_s=now_s + pace.pause_s,
        searched_s=now_s,
    ), True


class CoordinatorSearch:
    """Remembers how long it has been looking."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._pace = Pace()

    async def addresses(self) -> Sequence[Address]:
        """Where our coordinator answers now; nothing while this PC has no network."""
        self._pace, sweep = paced(self._pace, time.monotonic())
        try:
            found = await find_cluster(
                self._state.cluster_key_sha256, interface=self._state.interface, sweep=sweep
            )
        except OSError as error:
            log.info("cannot look for the coordinator: %s", error)
            return ()
        return () if found is None else found.addresses
