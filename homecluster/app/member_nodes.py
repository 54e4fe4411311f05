"""What members tell of themselves -> nodes of the cluster, under their names in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from homecluster.app.ports import Members
from homecluster.domain.hardware import Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.member import Health, Member
from homecluster.errors import HomeclusterError, PeerError
from homecluster.store.cluster_document import parse_cluster

_INVENTORY_S: Final = 20.0
_SOON_S: Final = 5.0
_AT_ONCE: Final = 16


def inventory_of(members: Members, node: NodeId) -> Node:
    """That member with the speeds that it knows; measures nothing.

    Raises:
        PeerError: it did not answer, or not sensibly.
    """
    answer = members.ask(node, "inventory", {}, deadline_s=_INVENTORY_S)
    return node_in(answer, node)


def living_nodes(members: Members, everybody: Sequence[Member]) -> Mapping[NodeId, Node]:
    """What every living member tells of itself, asked all at once; who does not answer soon is left out."""

    def told(member: Member) -> Node | None:
        try:
            return node_in(
                members.ask(member.node, "inventory", {}, deadline_s=_SOON_S), member.node
            )
        except HomeclusterError:
            return None

    alive = [one for one in everybody if one.health is Health.ALIVE]
    with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(alive)))) as threads:
        found = zip(alive, threads.map(told, alive), strict=True)
        return {one.node: node for one, node in found if node is not None}


def node_in(answer: Mapping[str, Any], name: NodeId) -> Node:
    """The one PC in a member's answer, under the name that it has in the cluster.

    Raises:
        PeerError: the answer is not a cluster of one PC.
    """
    try:
        text = json.dumps(answer.get("cluster"))
        (node,) = parse_cluster(text, file=f"what {name} told", as_json=True).nodes
    except (HomeclusterError, ValueError) as error:
        raise PeerError(f"{name} described itself senselessly: {error}") from error
    return renamed(node, name)


def renamed(node: Node, name: NodeId) -> Node:
    """The same PC under another name: two PCs may share a host name, but not their name in a cluster."""
    return replace(
        node,
        id=name,
        devices=tuple(
            replace(
                device, node_id=name, id=DeviceId(f"{name}/{str(device.id).rpartition('/')[2]}")
            )
            for device in node.devices
        ),
    )
