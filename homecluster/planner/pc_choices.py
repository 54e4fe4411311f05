"""Which PCs a copy over several might take, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations

from homecluster.domain.hardware import Node
from homecluster.domain.ids import NodeId
from homecluster.planner.exact.packing import MOST_DEVICES
from homecluster.planner.problem import Problem, weakness

_EXHAUSTIVE_ORDER = 5
"""Pipelines over up to so many PCs try every order; longer ones go to the nearest next PC."""
_EXHAUSTIVE_PCS = 8
"""Choices of few PCs are made among the strongest; then come ever more PCs, the strongest first."""
_EVERY_NUMBER = 32
_CHOSEN_FREELY = 3
"""Choices of up to so many PCs are all tried, and of any number among up to five PCs."""


def choices(problem: Problem, nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """Few PCs among the strongest, every choice of them; then ever more, the strongest first."""
    strongest = sorted(
        nodes, key=lambda node: (not problem.linked(node.id), min(map(weakness, node.devices)))
    )
    strength = {node.id: place for place, node in enumerate(strongest)}

    def among(count: int) -> list[Node]:
        return [node for node in nodes if strength[node.id] < count]

    tried = among(_EXHAUSTIVE_PCS)
    most = len(tried) if len(tried) <= _EXHAUSTIVE_ORDER else _chosen_freely(problem)
    for count in range(2, most + 1):
        yield from combinations(tried, count)
    for count in growing(most + 1, len(nodes)):
        yield among(count)


def _chosen_freely(problem: Problem) -> int:
    """Two where the exact search follows, which finds what is best over more PCs."""
    proved = problem.pins.free and len(problem.devices) <= MOST_DEVICES
    return 2 if proved else _CHOSEN_FREELY


def growing(least: int, most: int) -> list[int]:
    """Every number up to thirty-two, then each a quarter larger than the one before, and the last."""
    counts, count = [], least
    while count < most:
        counts.append(count)
        count = max(count + 1, count * 5 // 4 if count >= _EVERY_NUMBER else 0)
    return [*counts, most] if most >= least else []


def order(problem: Problem, nodes: Sequence[NodeId]) -> list[NodeId]:
    """The order of PCs, from the first, in which a pipeline's hand-overs and its way back wait least."""

    def wait_s(way: Iterable[NodeId]) -> float:
        whole = list(way)
        return sum(map(problem.wait_s, whole, [*whole[1:], whole[0]]))

    first, rest = nodes[0], list(nodes[1:])
    if len(nodes) <= _EXHAUSTIVE_ORDER:
        return list(min(((first, *others) for others in permutations(rest)), key=wait_s))
    found = [first]
    while rest:
        nearest = min(rest, key=lambda node: problem.wait_s(found[-1], node))
        found.append(nearest)
        rest.remove(nearest)
    return found
