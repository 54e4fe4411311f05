"""What a search found: layouts that may run, each with its estimate, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homecluster.domain.estimate import Estimate
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Layout
from homecluster.domain.plan import Rejection
from homecluster.planner import exchange
from homecluster.planner.estimate import Estimator
from homecluster.planner.preparation import Prepared

Ready = tuple[Copy, Prepared]
"""A copy that may run, and what it takes."""
_ENGINE = "vllm"


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


def side_by_side(estimator: Estimator, copies: Sequence[Ready]) -> Found:
    """The layout of these copies, which may all run."""
    prepared = [one for _, one in copies]
    replicas = tuple(copy for copy, _ in copies)
    return Found(
        layout=Layout(
            engine=_ENGINE,
            replicas=replicas,
            small_collectives=exchange.choice([one.copy for one in prepared]),
        ),
        nodes=tuple(nodes_of(replicas)),
        estimate=estimator.combine(prepared),
    )


def if_all_run(estimator: Estimator, copies: Sequence[Copy]) -> Found | None:
    """The same; None where there are none, or one of them cannot run here."""
    ready = [
        (copy, prepared)
        for copy in copies
        if isinstance(prepared := estimator.prepare(copy), Prepared)
    ]
    return side_by_side(estimator, ready) if 0 < len(ready) == len(copies) else None


def nodes_of(copies: Iterable[Copy]) -> list[NodeId]:
    """The PCs of some copies, in order of first use."""
    return list(
        dict.fromkeys(_node_of(d) for copy in copies for stage in copy for d in stage.devices)
    )


def _node_of(device: DeviceId) -> NodeId:
    return NodeId(device.rsplit("/", 1)[0])
