"""Who joins the processes of one copy that spans several PCs, by which rule, or why nobody can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy
from homecluster.domain.plan import Backend
from homecluster.planner.rules import Refusal

RanksByNode = tuple[tuple[NodeId, int], ...]
"""Runs of consecutive ranks on one PC, in rank order: ((desk, 2), (laptop, 2))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    backend: Backend
    rule: str
    reason: str


INSIDE = Chosen(backend=Backend.NONE, rule="one-pc", reason="all ranks of a copy are on one PC")


def choose_backend(
    copy: Copy,
    addresses: Mapping[NodeId, str] | None = None,
    wanted: Backend | None = None,
) -> Chosen | Refusal:
    """vLLM's own multi-host mode where every PC holds equally many neighbouring ranks, else Ray if its order fits.

    Args:
        copy: where the plan puts every layer and rank.
        addresses: of its PCs, by which Ray sorts; None while only planning.
        wanted: the user's own choice; refused where it cannot keep the placement.
    """
    runs = runs_of(nodes_of_ranks(copy))
    if len(runs) == 1:
        return INSIDE
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
    return _by_ray(
        copy, runs, addresses, "Ray was asked for the ranks" if mp is None else mp.detail
    )


def nodes_of_ranks(copy: Copy) -> tuple[NodeId, ...]:
    """The PC of every rank, in rank order: stage by stage, tensor-parallel neighbours together."""
    return tuple(_node_of(device) for stage in copy for device in stage.devices)


def runs_of(nodes: Sequence[NodeId]) -> RanksByNode:
    return tuple((node, len(list(group))) for node, group in groupby(nodes))


def _mp_refusal(runs: RanksByNode) -> Refusal | None:
    """VLLM gives node rank i the ranks i*n to (i+1)*n-1 (config.parallel, multiproc_executor)."""
    names = [node for node, _ in runs]
    if len(set(names)) < len(names):
        return Refusal(
            rule="mp-neighbours", detail="a PC would hold ranks that are not next to each other"
        )
    if len({count for _, count in runs}) > 1:
        told = ", ".join(f"{node} {count}" for node, count in runs)
        return Refusal(rule="mp-equal-ranks", detail=f"the PCs hold unequally many ranks ({told})")
    return None


def _by_ray(
    copy: Copy, runs: RanksByNode, addresses: Mapping[NodeId, str] | None, why: str
) -> Chosen | Refusal:
    """Any order serves one stage, whose ranks all do the same; else vLLM's own order must be the plan's."""
    order = ray_order(runs, addresses or {})
    if len(copy) == 1 or order == nodes_of_ranks(copy):
        return Chosen(
            backend=Backend.RAY,
            rule="ray-order-agrees",
            reason=f"{why}, and Ray puts them where the plan does",
        )
    if order is not None:
        told = ", ".join(order)
        return Refusal(
            rule="ray-stage-order",
            detail=f"{why}, and Ray would order them {told}: the stages would be on other PCs than planned",
        )
    unknown = f"{why}, and Ray orders PCs with equally many of them by their addresses"
    if addresses is None:
        return Chosen(
            backend=Backend.RAY,
            rule="ray-order-unknown",
            reason=f"{unknown}, which `up` looks up",
        )
    return Refusal(rule="ray-order-unknown", detail=f"{unknown}, which are not all known")


def ray_order(runs: RanksByNode, addresses: Mapping[NodeId, str]) -> tuple[NodeId, ...] | None:
    """The PC of each rank as vLLM 0.32 sorts Ray's workers; None while an address that decides is unknown.

    The driver's PC first (it holds rank 0), then PCs with fewer workers, then by the address as text
    (v1/executor/ray_executor.py, sort_by_driver_then_worker_ip).
    """
    counts: dict[NodeId, int] = {}
    for node, count in runs:
        counts[node] = counts.get(node, 0) + count
    driver, *others = counts
    sizes = [counts[node] for node in others]
    if any(node not in addresses and sizes.count(counts[node]) > 1 for node in others):
        return None
    others.sort(key=lambda node: (counts[node], addresses.get(node, "")))
    return tuple(node for node in (driver, *others) for _ in range(counts[node]))


def _node_of(device: DeviceId) -> NodeId:
    return NodeId(device.rsplit("/", 1)[0])
