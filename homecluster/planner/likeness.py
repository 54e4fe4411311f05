"""Which devices, PCs and choices of PCs no estimate can tell apart, so that each is costed once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from homecluster.domain.hardware import Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster


class Likeness:
    """Small numbers for facts: two things have the same number when they differ only by name."""

    def __init__(self, cluster: Cluster) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._devices = {
            device.id: self._number(replace(device, id=DeviceId(""), node_id=NodeId("")))
            for device in cluster.devices()
        }
        self._nodes = {
            node.id: self._number((tuple(sorted(map(self.device, _ids(node)))), node.interconnect))
            for node in cluster.nodes
        }
        self._links = {
            (link.src, link.dst): self._number(
                replace(link, src=NodeId(""), dst=NodeId(""), observed_at=None)
            )
            for link in cluster.links
        }

    def device(self, device: DeviceId) -> int:
        return self._devices[device]

    def devices(self, devices: Sequence[DeviceId]) -> tuple[int, ...]:
        return tuple(self._devices[device] for device in devices)

    def choice(self, nodes: Sequence[NodeId]) -> Hashable:
        """Equal only for choices of PCs that are alike, each and in every link among them."""
        ordered = self.ordered(nodes)
        return (
            tuple(self._nodes[node] for node in ordered),
            tuple(self._link(a, b) for a in ordered for b in ordered),
        )

    def ordered(self, nodes: Sequence[NodeId]) -> list[NodeId]:
        """The PCs in an order that names do not decide: of alike choices the first are alike, the second, and so on."""

        def row(node: NodeId) -> tuple[int, list[int], list[int]]:
            outward = sorted(self._link(node, other) for other in nodes)
            inward = sorted(self._link(other, node) for other in nodes)
            return self._nodes[node], outward, inward

        return sorted(nodes, key=row)

    def _link(self, src: NodeId, dst: NodeId) -> int:
        return self._links.get((src, dst), -1)

    def _number(self, facts: Hashable) -> int:
        return self._numbers.setdefault(facts, len(self._numbers))


def _ids(node: Node) -> list[DeviceId]:
    return [device.id for device in node.devices]
