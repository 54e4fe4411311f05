"""A cluster in one process: every PC is a home of its own, and verbs run as plain calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.errors import PeerError
from homecluster.store.paths import Paths

Handler = Callable[[Paths, Mapping[str, Any]], Mapping[str, Any]]


def member(name: str, address: str = "127.0.0.1", **changes: Any) -> Member:
    """An operator's PC that is alive and called as its node is."""
    values: dict[str, Any] = {
        "node": NodeId(name), "name": name, "role": Role.OPERATOR, "health": Health.ALIVE,
        "is_coordinator": False, "is_here": False, "address": address, "interface": "eth0",
        "can_be_dialled": True, "last_seen_s": 0.1,
    }  # fmt: skip
    return Member(**(values | changes))


@dataclass
class FakeMembers:
    """Fulfils `homecluster.app.ports.Members`."""

    homes: Mapping[str, Paths]
    handlers: Mapping[str, Handler]
    described: tuple[Member, ...] = ()
    cut: set[str] = field(default_factory=set)
    """PCs that do not answer now."""
    tunnels: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def members(self) -> tuple[Member, ...]:
        return self.described or tuple(member(name) for name in self.homes)

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        assert deadline_s > 0
        with self._lock:
            self.asked.append((node, verb))
        if node in self.cut:
            raise PeerError(f"{node} did not answer")
        return self.handlers[verb](self.homes[node], body)

    def tunnel(self, node: NodeId, job: str) -> str:
        if node in self.cut or (node, job) not in self.tunnels:
            raise PeerError(f"{node} runs no {job}")
        return str(self.tunnels[node, job])
