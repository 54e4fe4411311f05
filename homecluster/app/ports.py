"""What use cases ask of the world outside; adapters fit these without importing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Member


class Members(Protocol):
    """The cluster, as this PC's agent reaches it; every member's verb goes through the coordinator."""

    def members(self) -> tuple[Member, ...]:
        """Everybody, the coordinator first.

        Raises:
            MissingError: no agent runs on this PC, or it is in no cluster.
        """
        ...

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        """What that member's handler of the verb answered; asking this PC itself is allowed.

        Raises:
            PeerError: it is not reachable, refused, or did not answer in time.
        """
        ...

    def tunnel(self, node: NodeId, job: str) -> str:
        """Path of a Unix socket on this PC; what connects there talks to that job's port on that member.

        It goes through the member's own outbound connection, so it works behind WSL's NAT.

        Raises:
            PeerError: the member is not reachable or runs no such job.
        """
        ...
