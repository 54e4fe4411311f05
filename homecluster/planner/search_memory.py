"""What a search has seen so far: each set of copies costed once, each refusal kept once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy
from homecluster.domain.plan import Rejection
from homecluster.planner.backend_choice import choose_backend
from homecluster.planner.estimate import Estimator
from homecluster.planner.found import Found, Ready, Result, nodes_of, side_by_side
from homecluster.planner.problem import Problem
from homecluster.planner.rules import Refusal


class SearchMemory:
    """In the order of discovery."""

    def __init__(self, problem: Problem, estimator: Estimator) -> None:
        self.problem, self.estimator = problem, estimator
        self._found: dict[object, Found] = {}
        self._rejections: dict[tuple[object, ...], Rejection] = {}
        self._rates: dict[object, float] = {}

    @property
    def result(self) -> Result:
        return Result(
            found=tuple(self._found.values()), rejections=tuple(self._rejections.values())
        )

    def prepared(self, copies: Iterable[Copy]) -> list[Ready]:
        """Those that may run; the others are refused."""
        ready = []
        for copy in copies:
            joined = choose_backend(copy)
            prepared = joined if isinstance(joined, Refusal) else self.estimator.prepare(copy)
            if isinstance(prepared, Refusal):
                self.reject(len(copy[0].devices), len(copy), 1, nodes_of([copy]), prepared)
            else:
                ready.append((copy, prepared))
        return ready

    def keep(self, copies: Sequence[Ready]) -> None:
        """Cost a set of copies, of sets that are alike only one, if it has the pinned number of copies."""
        signature = tuple(sorted((self._signature(copy) for copy, _ in copies), key=repr))
        if signature in self._found or self.problem.pins.replicas not in {None, len(copies)}:
            return
        self._found[signature] = side_by_side(self.estimator, copies)

    def fastest_first(self, copies: Sequence[Ready]) -> list[Ready]:
        """By what each delivers with the whole load."""
        everyone = self.problem.workload.concurrent_requests
        return sorted(copies, key=lambda ready: -self.requests_per_s(ready, everyone))

    def requests_per_s(self, ready: Ready, concurrent: int) -> float:
        """What one copy delivers at so many requests; copies that are alike are asked once."""
        signature = self._signature(ready[0])
        known = self._found.get((signature,))
        if known is not None and concurrent == self.problem.workload.concurrent_requests:
            return known.estimate.requests_per_s.mid
        if (signature, concurrent) not in self._rates:
            served = self.estimator.serve(ready[1], concurrent)
            self._rates[signature, concurrent] = served.requests_per_s
        return self._rates[signature, concurrent]

    def reject(
        self, tensor: int, pipeline: int, replicas: int, nodes: Sequence[NodeId], refusal: Refusal
    ) -> None:
        """Keep each refusal once; of several short of memory on the same PCs, the one that misses least."""
        key = (tensor, pipeline, tuple(nodes), refusal.rule)
        known = self._rejections.get(key)
        if known and (known.shortfall_bytes or 0) <= (refusal.shortfall_bytes or 0):
            return
        self._rejections[key] = Rejection(
            tensor_parallel=tensor,
            pipeline_parallel=pipeline,
            replicas=replicas,
            nodes=tuple(nodes),
            rule=refusal.rule,
            detail=refusal.detail,
            shortfall_bytes=refusal.shortfall_bytes,
        )

    def _signature(self, copy: Copy) -> tuple[Hashable, tuple[tuple[int, ...], ...]]:
        """Equal for copies in one PC, or over several alike, whose stages lie on devices that are alike."""
        like, nodes = self.problem.like, nodes_of([copy])
        where = nodes[0] if len(nodes) == 1 else like.choice(nodes)
        return where, tuple((s.layers, *like.devices(s.devices)) for s in copy)
