"""Which layouts exist for a model on a cluster, costed and ranked, and which are refused."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from homecluster.domain.estimate import Estimate
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, Rejection
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.planner import candidates, exchange, explain, rules
from homecluster.planner.backend_choice import INSIDE, Chosen, choose_backend
from homecluster.planner.candidates import Pins, Problem
from homecluster.planner.carving import Carving
from homecluster.planner.estimate import Estimator, Prepared
from homecluster.planner.rules import Refusal

ENGINE = "vllm"
_ROOMS = (1, 4, 16, 64)
"""Requests that pipelines over several PCs are given room for, in turn."""
MULTI_PC_MARGIN = 1.05
"""Several PCs must win by more than 5 % to be preferred: they cost a second PC, and more can go wrong."""


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


def search(cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> Result:
    """Cost every copy inside one PC, every copy over several, and sets of copies.

    Sets take the best copies of each PC, and disjoint copies over several PCs; that is not yet every
    combination. Cost: one estimate per copy; subsets of PCs and links that are alike are costed once.
    """
    return _Search(cluster, spec, workload, pins).run()


def rank(found: Iterable[Found], workload: Serve) -> tuple[Plan, ...]:
    """Best first: by tokens per second (or by a request's whole time), several PCs with a handicap of 5 %."""

    def key(one: Found) -> tuple[float, int, int]:
        handicap = MULTI_PC_MARGIN if one.spans_pcs else 1.0
        if workload.goal is Goal.LATENCY:
            estimate = one.estimate
            decodes = workload.output_tokens - 1
            whole_s = estimate.first_token_s.mid + decodes * estimate.token_interval_s.mid
            return round(whole_s * handicap, 9), len(one.nodes), len(one.layout.devices)
        return -round(one.rate / handicap, 6), len(one.nodes), len(one.layout.devices)

    return tuple(
        _plan(position, one) for position, one in enumerate(sorted(found, key=key), start=1)
    )


def _plan(position: int, one: Found) -> Plan:
    joined = _joined(one.layout)
    return Plan(
        rank=position,
        layout=one.layout,
        backend=joined.backend,
        backend_rule=joined.rule,
        backend_reason=joined.reason,
        nodes=one.nodes,
        estimate=one.estimate,
        reason=explain.plan_reason(one.estimate, one.layout, len(one.nodes)),
    )


def _joined(layout: Layout) -> Chosen:
    """Of the first copy that spans PCs; copies that nobody could join were refused before."""
    choices = [choose_backend(copy) for copy in layout.replicas]
    spanning = [one for one in choices if isinstance(one, Chosen) and one is not INSIDE]
    return spanning[0] if spanning else INSIDE


_Ready = tuple[Copy, Prepared]
"""A copy that may run, and what it takes."""


class _Search:
    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> None:
        self.problem = Problem(cluster, spec, workload, pins)
        self.estimator = Estimator(cluster, spec, workload, pins.small_collectives)
        self.found: dict[object, Found] = {}
        self.rejections: dict[tuple[object, ...], Rejection] = {}
        self._rates: dict[object, float] = {}

    def run(self) -> Result:
        refusal = rules.refuse_model(self.problem.spec, self.problem.workload.context_tokens)
        if refusal is not None:
            self._reject(1, 1, 1, [node.id for node in self.problem.nodes], refusal)
            return self._result()
        local = {
            node.id: self._prepared(candidates.local_copies(self.problem, node))
            for node in self.problem.nodes
        }
        spanning = self._prepared(candidates.spanning_copies(self.problem))
        wanted = self.problem.pins.replicas
        if wanted in (None, 1):
            for ready in [*(one for copies in local.values() for one in copies), *spanning]:
                self._keep([ready])
        if wanted != 1:
            sets = {node_id: self._local_sets(copies) for node_id, copies in local.items()}
            self._combine_pcs(sets)
            self._combine_spanning(spanning)
            if self.problem.pins.free:
                self._combine_carved(sets)
        self._explain_pins()
        return self._result()

    def _result(self) -> Result:
        return Result(found=tuple(self.found.values()), rejections=tuple(self.rejections.values()))

    def _prepared(self, copies: Iterable[Copy]) -> list[_Ready]:
        ready = []
        for copy in copies:
            joined = choose_backend(copy)
            prepared = joined if isinstance(joined, Refusal) else self.estimator.prepare(copy)
            if isinstance(prepared, Refusal):
                self._reject(len(copy[0].devices), len(copy), 1, nodes_of([copy]), prepared)
            else:
                ready.append((copy, prepared))
        return ready

    def _keep(self, copies: Sequence[_Ready]) -> Found:
        """Cost a set of copies, of those that are alike only one; kept as a plan if the pinned number of copies is met."""
        signature = tuple(sorted((self._signature(copy) for copy, _ in copies), key=repr))
        known = self.found.get(signature)
        if known is not None:
            return known
        layout = Layout(
            engine=ENGINE,
            replicas=tuple(copy for copy, _ in copies),
            small_collectives=exchange.choice([prepared.copy for _, prepared in copies]),
        )
        one = Found(
            layout=layout,
            nodes=tuple(nodes_of(layout.replicas)),
            estimate=self.estimator.combine([prepared for _, prepared in copies]),
        )
        if self.problem.pins.replicas in (None, len(copies)):
            self.found[signature] = one
        return one

    def _signature(self, copy: Copy) -> tuple[Hashable, tuple[tuple[int, ...], ...]]:
        """Equal for copies in one PC, or over several alike, whose stages lie on devices that are alike."""
        like, nodes = self.problem.like, nodes_of([copy])
        where = nodes[0] if len(nodes) == 1 else like.choice(nodes)
        return where, tuple((s.layers, *like.devices(s.devices)) for s in copy)

    def _local_sets(self, copies: Sequence[_Ready]) -> list[list[_Ready]]:
        """Sets of copies of one shape side by side in one PC, from the fastest copy to as many as there is room for."""
        shapes: dict[object, list[_Ready]] = {}
        for ready in copies:
            shapes.setdefault(_shape(ready[0]), []).append(ready)
        sets = []
        for like_shaped in shapes.values():
            chosen: list[_Ready] = []
            for ready in self._fastest_first(like_shaped):
                if not _devices(ready[0]) & {d for copy, _ in chosen for d in _devices(copy)}:
                    chosen.append(ready)
                    sets.append(list(chosen))
        for one in sets:
            self._keep(one)
        return sets

    def _fastest_first(self, copies: Sequence[_Ready]) -> list[_Ready]:
        everyone = self.problem.workload.concurrent_requests
        return sorted(copies, key=lambda ready: -self._requests_per_s(ready, everyone))

    def _requests_per_s(self, ready: _Ready, concurrent: int) -> float:
        """What one copy delivers at so many requests; copies that are alike are asked once."""
        signature = self._signature(ready[0])
        known = self.found.get((signature,))
        if known is not None and concurrent == self.problem.workload.concurrent_requests:
            return known.estimate.requests_per_s.mid
        if (signature, concurrent) not in self._rates:
            served = self.estimator.serve(ready[1], concurrent)
            self._rates[signature, concurrent] = served.requests_per_s
        return self._rates[signature, concurrent]

    def _combine_pcs(self, sets: dict[NodeId, list[list[_Ready]]]) -> None:
        """Copies on two PCs, three …: the best PCs first, each with its best set at its share of the load."""
        able = [choices for choices in sets.values() if choices]
        for count in candidates.growing(2, self._most_copies(len(able))):
            best = sorted((self._best_set(choices, count) for choices in able), key=lambda b: -b[0])
            self._keep([copy for _, chosen in best[:count] for copy in chosen])
        wanted = self.problem.pins.replicas
        if wanted is not None:
            self._combine_pinned(able, wanted)

    def _most_copies(self, able: int) -> int:
        """Of a closed loop, no more PCs than requests: the others would stand idle."""
        asked = self.problem.workload
        if asked.request_rate_per_s is not None or self.problem.pins.replicas is not None:
            return able
        return min(able, max(2, asked.concurrent_requests))

    def _combine_pinned(self, able: Sequence[list[list[_Ready]]], wanted: int) -> None:
        """Exactly the pinned number of copies of each shape: the fastest ones, wherever they are."""
        pools: dict[object, list[_Ready]] = {}
        for choices in able:
            largest = {_shape(chosen[0][0]): chosen for chosen in choices}
            for shape, chosen in largest.items():
                pools.setdefault(shape, []).extend(chosen)
        for pool in pools.values():
            if len(pool) >= wanted:
                self._keep(self._fastest_first(pool)[:wanted])

    def _best_set(self, choices: Sequence[list[_Ready]], share: int) -> tuple[float, list[_Ready]]:
        """The set that delivers most with one part in `share` of the requests; fewer devices win ties."""
        requests = max(1, self.problem.workload.concurrent_requests // share)

        def rate(chosen: list[_Ready]) -> float:
            each = max(1, requests // len(chosen))
            busy = min(len(chosen), requests)
            return sum(self._requests_per_s(ready, each) for ready in chosen[:busy])

        best = max(choices, key=lambda chosen: (round(rate(chosen), 9), -len(chosen)))
        return rate(best), best

    def _combine_spanning(self, copies: Sequence[_Ready]) -> None:
        """Several copies over disjoint sets of PCs, best first, once for each number of PCs a copy may take."""
        ordered = self._fastest_first(copies)
        for most in range(2, len(self.problem.nodes) // 2 + 1):
            chosen: list[_Ready] = []
            taken: set[NodeId] = set()
            for ready in ordered:
                nodes = set(nodes_of([ready[0]]))
                if len(nodes) <= most and not nodes & taken:
                    chosen.append(ready)
                    taken |= nodes
                    if len(chosen) > 1:
                        self._keep(chosen)

    def _combine_carved(self, sets: dict[NodeId, list[list[_Ready]]]) -> None:
        """Each PC that can with its own copies, pipelines over the others: those of all that get requests."""
        everyone = self.problem.workload.concurrent_requests
        alone = [self._best_set(choices, len(sets))[1] for choices in sets.values() if choices]
        others = [node for node in self.problem.nodes if not sets[node.id]]
        carving = Carving(self.problem, self.estimator, others)
        for requests in _ROOMS:
            if requests <= max(1, everyone):
                carved = self._prepared(carving.copies(requests))
                copies = [*(one for chosen in alone for one in chosen), *carved]
                if carved and len(copies) > 1:
                    busy = self.estimator.busy([ready for _, ready in copies])
                    self._keep([copies[index] for index in busy])

    def _explain_pins(self) -> None:
        """A pinned size that no device set can meet is refused by name, not by silence."""
        pins, devices = self.problem.pins, self.problem.devices
        stages = len(pins.partition) if pins.partition else 1
        tensor, pipeline, replicas = (
            pins.tensor_parallel or 1,
            pins.pipeline_parallel or stages,
            pins.replicas or 1,
        )
        needed = tensor * pipeline * replicas
        if self.found or (self.rejections and needed <= len(devices)):
            return
        refusal = (
            rules.refuse_tensor_parallel(self.problem.spec, tensor)
            or rules.refuse_pipeline_parallel(self.problem.spec, pipeline)
            or Refusal(
                rule="not-enough-devices",
                detail=_too_many(tensor * pipeline, replicas, len(devices)),
            )
        )
        self._reject(tensor, pipeline, replicas, [node.id for node in self.problem.nodes], refusal)

    def _reject(
        self, tensor: int, pipeline: int, replicas: int, nodes: Sequence[NodeId], refusal: Refusal
    ) -> None:
        """Keep each refusal once; of several short of memory on the same PCs, the one that misses least."""
        key = (tensor, pipeline, tuple(nodes), refusal.rule)
        known = self.rejections.get(key)
        if known and (known.shortfall_bytes or 0) <= (refusal.shortfall_bytes or 0):
            return
        self.rejections[key] = Rejection(
            tensor_parallel=tensor,
            pipeline_parallel=pipeline,
            replicas=replicas,
            nodes=tuple(nodes),
            rule=refusal.rule,
            detail=refusal.detail,
            shortfall_bytes=refusal.shortfall_bytes,
        )


def nodes_of(copies: Iterable[Copy]) -> list[NodeId]:
    """The PCs of some copies, in order of first use."""
    return list(
        dict.fromkeys(_node_of(d) for copy in copies for stage in copy for d in stage.devices)
    )


def _node_of(device: DeviceId) -> NodeId:
    return NodeId(device.rsplit("/", 1)[0])


def _too_many(devices_each: int, copies: int, devices: int) -> str:
    there = f"the PCs have {devices} that vLLM can use"
    if devices_each == 1:
        return f"{copies} whole copies need {copies} devices, one each; {there}"
    copy = "one copy needs" if copies == 1 else f"{copies} copies need"
    return f"{copy} {devices_each * copies} like devices, placed evenly over the PCs; {there}"


def _shape(copy: Copy) -> object:
    kind = copy[0].devices[0].rsplit("/", 1)[1].partition(":")[0]
    return len(copy[0].devices), len(copy), kind


def _devices(copy: Copy) -> set[DeviceId]:
    return {device for stage in copy for device in stage.devices}
