"""The agent's state, changed step by step; a change counts once it is on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from homecluster.store.cluster_state import ClusterState, write_state

T = TypeVar("T")


class Keeper:
    """Holds the current state; one change at a time."""

    def __init__(self, path: Path, state: ClusterState) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self.state = state

    async def change(self, step: Callable[[ClusterState], tuple[ClusterState, T]]) -> T:
        """What `step` gave beside the new state, which is written first.

        Raises:
            MissingError: it cannot be written; the old state holds.
        """
        async with self._lock:
            state, result = step(self.state)
            if state != self.state:
                await asyncio.to_thread(write_state, self._path, state)
                self.state = state
            return result

    async def put(self, step: Callable[[ClusterState], ClusterState]) -> None:
        """As `change`, for a step with no other result."""
        await self.change(lambda state: (step(state), None))
