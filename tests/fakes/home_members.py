"""Members of a cluster that answer from a table instead of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.errors import PeerError

Answers = Callable[[NodeId, Mapping[str, Any]], Mapping[str, Any]]


def member(name: str, *, at: str | None = None, **changes: Any) -> Member:
    """A living worker on the LAN."""
    values: dict[str, Any] = {
        "node": NodeId(name),
        "name": name,
        "role": Role.WORKER,
        "health": Health.ALIVE,
        "is_coordinator": False,
        "is_here": False,
        "address": at or f"10.77.0.{ord(name[0]) - 95}",
        "interface": "eth0",
        "can_be_dialled": True,
        "last_seen_s": 0.1,
    }
    return Member(**(values | changes))


class HomeMembers:
    """Fulfils `Members`; remembers every question."""

    def __init__(self, *everybody: Member, **answers: Answers) -> None:
        self.everybody = everybody
        self.answers = {name.replace("__", "."): answer for name, answer in answers.items()}
        self.asked: list[tuple[str, str]] = []

    def members(self) -> tuple[Member, ...]:
        return self.everybody

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        assert deadline_s > 0
        self.asked.append((node, verb))
        if verb not in self.answers:
            raise PeerError(f"{node} knows no {verb}")
        return self.answers[verb](node, body)

    def tunnel(self, node: NodeId, job: str) -> str:
        raise PeerError(f"{node} runs no {job}")
