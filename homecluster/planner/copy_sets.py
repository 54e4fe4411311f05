"""Several copies side by side: which sets of them are worth costing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy
from homecluster.planner.carving import Carving
from homecluster.planner.found import Ready, nodes_of
from homecluster.planner.pc_choices import growing
from homecluster.planner.search_memory import SearchMemory

_ROOMS: Final = (1, 4, 16, 64)
"""Requests that pipelines over several PCs are given room for, in turn."""

Sets = Mapping[NodeId, Sequence[list[Ready]]]
"""Of each PC, its sets of copies."""


def inside_a_pc(seen: SearchMemory, copies: Sequence[Ready]) -> list[list[Ready]]:
    """Sets of copies of one shape side by side in one PC, from the fastest copy to as many as there is room for."""
    shapes: dict[object, list[Ready]] = {}
    for ready in copies:
        shapes.setdefault(_shape(ready[0]), []).append(ready)
    sets = []
    for like_shaped in shapes.values():
        chosen: list[Ready] = []
        taken: set[DeviceId] = set()
        for ready in seen.fastest_first(like_shaped):
            devices = _devices(ready[0])
            if not devices & taken:
                taken |= devices
                chosen.append(ready)
                sets.append(list(chosen))
    for one in sets:
        seen.keep(one)
    return sets


def over_pcs(seen: SearchMemory, sets: Sets) -> None:
    """Copies on two PCs, three …: the best PCs first, each with its best set at its share of the load."""
    able = [choices for choices in sets.values() if choices]
    for count in growing(2, _most_pcs(seen, len(able))):
        best = sorted((_best_set(seen, choices, count) for choices in able), key=lambda b: -b[0])
        seen.keep([ready for _, chosen in best[:count] for ready in chosen])
    wanted = seen.problem.pins.replicas
    if wanted is not None:
        _as_pinned(seen, able, wanted)


def _most_pcs(seen: SearchMemory, able: int) -> int:
    """Of a closed loop, no more PCs than requests: the others would stand idle."""
    asked = seen.problem.workload
    if asked.request_rate_per_s is not None or seen.problem.pins.replicas is not None:
        return able
    return min(able, max(2, asked.concurrent_requests))


def _as_pinned(seen: SearchMemory, able: Sequence[Sequence[list[Ready]]], wanted: int) -> None:
    """Exactly the pinned number of copies of each shape: the fastest ones, wherever they are."""
    pools: dict[object, list[Ready]] = {}
    for choices in able:
        largest = {_shape(chosen[0][0]): chosen for chosen in choices}
        for shape, chosen in largest.items():
            pools.setdefault(shape, []).extend(chosen)
    for pool in pools.values():
        if len(pool) >= wanted:
            seen.keep(seen.fastest_first(pool)[:wanted])


def _best_set(
    seen: SearchMemory, choices: Sequence[list[Ready]], share: int
) -> tuple[float, list[Ready]]:
    """The set that delivers most with one part in `share` of the requests; fewer devices win ties."""
    requests = max(1, seen.problem.workload.concurrent_requests // share)

    def rate(chosen: list[Ready]) -> float:
        each = max(1, requests // len(chosen))
        busy = min(len(chosen), requests)
        return sum(seen.requests_per_s(ready, each) for ready in chosen[:busy])

    best = max(choices, key=lambda chosen: (round(rate(chosen), 9), -len(chosen)))
    return rate(best), best


def over_disjoint_pcs(seen: SearchMemory, copies: Sequence[Ready]) -> None:
    """Several copies over disjoint sets of PCs, best first, once for each number of PCs a copy may take."""
    ordered = seen.fastest_first(copies)
    for most in range(2, len(seen.problem.nodes) // 2 + 1):
        chosen: list[Ready] = []
        taken: set[NodeId] = set()
        for ready in ordered:
            nodes = set(nodes_of([ready[0]]))
            if len(nodes) <= most and not nodes & taken:
                chosen.append(ready)
                taken |= nodes
                if len(chosen) > 1:
                    seen.keep(chosen)


def with_carved(seen: SearchMemory, sets: Sets) -> None:
    """Each PC that can with its own copies, pipelines over the others: those of all that get requests."""
    problem, estimator = seen.problem, seen.estimator
    able = [choices for choices in sets.values() if choices]
    alone = [ready for choices in able for ready in _best_set(seen, choices, len(sets))[1]]
    carving = Carving(problem, estimator, [node for node in problem.nodes if not sets[node.id]])
    for requests in _ROOMS:
        if requests > max(1, problem.workload.concurrent_requests):
            return
        carved = seen.prepared(carving.copies(requests))
        copies = [*alone, *carved]
        if carved and len(copies) > 1:
            busy = estimator.busy([prepared for _, prepared in copies])
            seen.keep([copies[index] for index in busy])


def _shape(copy: Copy) -> object:
    kind = copy[0].devices[0].rsplit("/", 1)[1].partition(":")[0]
    return len(copy[0].devices), len(copy), kind


def _devices(copy: Copy) -> set[DeviceId]:
    return {device for stage in copy for device in stage.devices}
