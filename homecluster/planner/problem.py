"""What is to be planned: the home, the model, the load, and what the user fixed."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import Device, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.compute import effective_bandwidth
from homecluster.planner.likeness import Likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What the user fixed; None leaves it to the planner."""

    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    replicas: int | None = None
    partition: tuple[int, ...] | None = None
    small_collectives: SmallCollectives | None = None

    def allow(self, tensor_parallel: int, pipeline_parallel: int) -> bool:
        return self.tensor_parallel in (None, tensor_parallel) and self.pipeline_parallel in (
            None,
            pipeline_parallel,
        )

    @property
    def free(self) -> bool:
        return self == Pins()


class Problem:
    """What candidates are made for, with what is looked up often."""

    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> None:
        self.spec, self.workload, self.pins = spec, workload, pins
        self.nodes = tuple(sorted(cluster.nodes, key=_drives_best))
        """The PC that comes first in a copy schedules it, whatever the order in the document."""
        self.devices = cluster.devices()
        self.like = Likeness(cluster)
        self._linked = {link.src for link in cluster.links}
        self._wait_s = {(x.src, x.dst): x.latency_s + x.jitter_s for x in cluster.links}

    def linked(self, node: NodeId) -> bool:
        """Some link from this PC is known."""
        return node in self._linked

    def strongest_first(self, node: Node) -> list[Device]:
        """A PC's devices in the order in which groups take them."""
        return sorted(node.devices, key=weakness)

    def wait_s(self, src: NodeId, dst: NodeId) -> float:
        """What a small message waits, for choosing an order; an unknown link is worse than any."""
        return self._wait_s.get((src, dst), 1e3)


def weakness(device: Device) -> tuple[float, int, str]:
    """Ascending: the most bandwidth first, then the most free memory."""
    return -effective_bandwidth(device), -device.memory_free_bytes, device.id


def _drives_best(node: Node) -> tuple[float, tuple[float, int, str]]:
    """Least host overhead first: the first PC of a copy runs the scheduler."""
    return (
        min(device.step_overhead_s for device in node.devices),
        min(map(weakness, node.devices)),
    )
