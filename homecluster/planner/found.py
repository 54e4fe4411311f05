"""What a search found: layouts that may run, each with its estimate, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from homecluster.domain.estimate import Estimate
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Layout
from homecluster.domain.plan import Rejection

ENGINE = "vllm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A layout that may run."""

    layout: Layout
    nodes: tuple[NodeId, ...]
    estimate: Estimate

    @property
    def rate(self) -> float:
        """Output tokens per second."""
        return self.estimate.output_tokens_per_s.mid

    @property
    def spans_pcs(self) -> bool:
        return len(self.nodes) > 1

    @property
    def one_copy(self) -> bool:
        return len(self.layout.replicas) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything one search saw, in the order of discovery."""

    found: tuple[Found, ...]
    rejections: tuple[Rejection, ...]


def nodes_of(copies: Iterable[Copy]) -> list[NodeId]:
    """The PCs of some copies, in order of first use."""
    return list(
        dict.fromkeys(_node_of(d) for copy in copies for stage in copy for d in stage.devices)
    )


def _node_of(device: DeviceId) -> NodeId:
    return NodeId(device.rsplit("/", 1)[0])
