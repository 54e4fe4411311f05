"""Who joins the processes of one copy that spans several PCs, by which rule, or why nobody can."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.plan import Backend

RanksByNode = tuple[tuple[NodeId, int], ...]
"""Runs of consecutive ranks on one PC, in rank order: ((desk, 2), (laptop, 2))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    backend: Backend
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No backend would put the stages where the plan wants them."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the ranks of one copy shall be, and what the backends need to know of it."""

    nodes: tuple[NodeId, ...]
    """The PC of every rank, in rank order: stage by stage, tensor-parallel neighbours together."""
    tensor_parallel: int
    partition: tuple[int, ...]
    """Layers of each stage."""
    kind: DeviceKind
    addresses: tuple[tuple[NodeId, str], ...] = ()
    """The address of every PC, where known; Ray sorts by it."""


def choose_backend(placement: Placement, wanted: Backend | None = None) -> Chosen | Refused:
    """vLLM's own multi-host mode where every PC holds equally many neighbouring ranks, else Ray if its order fits.

    Args:
        placement: where the plan puts every rank.
        wanted: the user's own choice; refused where it cannot keep the placement.
    """
    runs = runs_of(placement.nodes)
    if len(runs) == 1:
        return Chosen(backend=Backend.NONE, rule="one-pc", reason="all ranks are on one PC")
    mp = _mp_refusal(runs)
    if wanted is not Backend.RAY and mp is None:
        return Chosen(
            backend=Backend.MP,
            rule="mp-equal-ranks",
            reason=f"every PC holds {runs[0][1]} of the ranks: vLLM's own multi-host mode keeps their order",
        )
    if wanted is Backend.MP:
        assert mp is not None
        return mp
    ray = _ray_refusal(placement, runs)
    if ray is None:
        why = "asked for" if mp is None else mp.reason
        return Chosen(
            backend=Backend.RAY,
            rule="ray-order-agrees",
            reason=f"Ray puts the ranks where the plan does ({why})",
        )
    return ray


def runs_of(nodes: tuple[NodeId, ...]) -> RanksByNode:
    return tuple((node, len(list(group))) for node, group in groupby(nodes))


def _mp_refusal(runs: RanksByNode) -> Refused | None:
    """VLLM gives node rank i the ranks i*n to (i+1)*n-1 (config.parallel, multiproc_executor)."""
    counts = {count for _, count in runs}
    names = [node for node, _ in runs]
    if len(set(names)) < len(names):
        return Refused(
            rule="mp-neighbours", reason="a PC would hold ranks that are not next to each other"
        )
    if len(counts) > 1:
        told = ", ".join(f"{node} {count}" for node, count in runs)
        return Refused(rule="mp-equal-ranks", reason=f"the PCs hold unequally many ranks ({told})")
    return None


def _ray_refusal(placement: Placement, runs: RanksByNode) -> Refused | None:
    """What Ray would do otherwise than the plan.

    Any order serves one stage, whose ranks all do the same; else vLLM's own order must be the plan's.
    """
    if len(placement.partition) == 1:
        return None
    order = ray_order(runs, dict(placement.addresses))
    if order is None:
        return Refused(
            rule="ray-order-unknown",
            reason="Ray orders the ranks by the PCs' addresses, which are not all known",
        )
    if order != placement.nodes:
        told = ", ".join(order)
        return Refused(
            rule="ray-stage-order",
            reason=f"Ray would order the ranks {told}: the stages would be on other PCs than planned",
        )
    return None


def ray_order(runs: RanksByNode, addresses: dict[NodeId, str]) -> tuple[NodeId, ...] | None:
    """The PC of each rank as vLLM 0.32 sorts Ray's workers; None while an address is unknown.

    The driver's PC first (it holds rank 0), then PCs with fewer workers, then by the address as text
    (v1/executor/ray_executor.py, sort_by_driver_then_worker_ip).
    """
    counts: dict[NodeId, int] = {}
    for node, count in runs:
        counts[node] = counts.get(node, 0) + count
    if any(node not in addresses for node in counts):
        return None
    driver = runs[0][0]
    ordered = sorted(counts, key=lambda node: (node != driver, counts[node], addresses[node]))
    return tuple(node for node in ordered for _ in range(counts[node]))
