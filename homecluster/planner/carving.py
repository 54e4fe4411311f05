"""Copies for many PCs: each over as few of them as hold the model and the requests it is to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homecluster.domain.hardware import Device, DeviceKind, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy
from homecluster.planner import rules
from homecluster.planner.estimate import Estimator
from homecluster.planner.exact.clock import Clock
from homecluster.planner.exact.cut import good_cut
from homecluster.planner.exact.order import Order
from homecluster.planner.exact.room import Room, layers_beside, room_of
from homecluster.planner.pc_choices import order
from homecluster.planner.problem import Problem
from homecluster.planner.rules import Refusal
from homecluster.planner.stages import stages

_RANKS = 4
"""Of a copy, for what a device keeps beside layers and caches."""


class Carving:
    """Disjoint pipelines over the cards of some PCs, those that know a link first."""

    def __init__(self, problem: Problem, estimator: Estimator, nodes: Sequence[Node]) -> None:
        self._problem, self._estimator = problem, estimator
        self._cards = {
            node.id: [
                device
                for device in problem.strongest_first(node)
                if device.kind is DeviceKind.CUDA
                and rules.refuse_device(problem.spec, device) is None
            ]
            for node in nodes
            if problem.linked(node.id)
        }
        cards = [card for cards in self._cards.values() for card in cards]
        dtype = rules.resolve_dtype(problem.spec, cards, problem.workload.dtype)
        self._clock: Clock | None = None
        if cards and problem.spec.supports_pipeline and not isinstance(dtype, Refusal):
            self._clock = Clock(problem.spec, dtype, problem.workload, estimator.fabric)

    def copies(self, requests: float) -> Iterator[Copy]:
        """Each with room for so many requests.

        The largest PCs are joined first, and the last of a copy is the smallest that completes it, so that a copy
        has few stages and little is left over.
        """
        clock = self._clock
        if clock is None:
            return
        for nodes in self._groups(requests):
            driver, *rest = order(self._problem, nodes)
            way = [driver, *sorted(rest, key=lambda node: len(self._cards[node]))]
            pipeline = Order(clock, [(card,) for node in way for card in self._cards[node]])
            if 1 < len(pipeline.groups) <= self._problem.spec.layers:
                yield stages(pipeline.groups, good_cut(pipeline, requests))

    def _groups(self, requests: float) -> Iterator[list[NodeId]]:
        asked = self._problem.workload
        tokens = requests * (asked.prompt_tokens + asked.output_tokens / 2)
        rooms = {node: [self._room(card) for card in cards] for node, cards in self._cards.items()}
        held = {
            node: sum(layers_beside(one, tokens) for one in found) for node, found in rooms.items()
        }
        one = next(found[0] for found in rooms.values() if found)
        needed = self._problem.spec.layers + sum(one.ends_layers(tokens))
        left = sorted((node for node in held if held[node]), key=lambda node: -held[node])
        while left:
            group = [left[0]]
            while (missing := needed - sum(held[node] for node in group)) > 0:
                able = [
                    node
                    for node in left
                    if node not in group and self._estimator.fabric.knows([*group, node])
                ]
                if not able:
                    break
                group.append(next((x for x in reversed(able) if held[x] >= missing), able[0]))
            else:
                yield group
            left = [node for node in left if node not in group]

    def _room(self, card: Device) -> Room:
        assert self._clock is not None
        problem = self._problem
        return room_of(problem.spec, (card,), self._clock.dtype, problem.workload, _RANKS)
