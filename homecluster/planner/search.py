"""Which layouts exist for a model on a cluster, costed and ranked, and which are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Copy, Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Backend, Plan, Rejection
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.planner import candidates, explain, rules
from homecluster.planner.candidates import Pins, Problem
from homecluster.planner.estimate import Estimator, Prepared
from homecluster.planner.rules import Refusal

ENGINE = "vllm"
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
        Plan(
            rank=position,
            layout=one.layout,
            backend=backend(one.layout, len(one.nodes)),
            nodes=one.nodes,
            estimate=one.estimate,
            reason=explain.plan_reason(one.estimate, one.layout, len(one.nodes)),
        )
        for position, one in enumerate(sorted(found, key=key), start=1)
    )


def backend(layout: Layout, nodes: int) -> Backend:
    """Who joins a copy's processes: vLLM's own multi-host mode where every PC of a copy holds equally many
    ranks (its stage order is deterministic), else Ray; nobody inside one PC.
    """
    if nodes == 1 or all(
        len({_node_of(d) for s in copy for d in s.devices}) == 1 for copy in layout.replicas
    ):
        return Backend.NONE
    for copy in layout.replicas:
        ranks = [_node_of(device) for stage in copy for device in stage.devices]
        if len({ranks.count(node) for node in set(ranks)}) > 1:
            return Backend.RAY
    return Backend.MP


class _Search:
    def __init__(self, cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> None:
        self.problem = Problem(cluster=cluster, spec=spec, workload=workload, pins=pins)
        self.estimator = Estimator(cluster, spec, workload)
        self.found: dict[Layout, Found] = {}
        self.rejections: dict[tuple[object, ...], Rejection] = {}

    def run(self) -> Result:
        refusal = rules.refuse_model(self.problem.spec, self.problem.workload.context_tokens)
        if refusal is not None:
            everything = [node.id for node in self.problem.cluster.nodes]
            self._reject(1, 1, 1, everything, refusal)
            return self._result()
        local = {
            node.id: self._prepared(candidates.local_copies(self.problem, node))
            for node in self.problem.cluster.nodes
        }
        spanning = self._prepared(candidates.spanning_copies(self.problem))
        wanted = self.problem.pins.replicas
        if wanted in (None, 1):
            for copy in [*(copy for copies in local.values() for copy in copies), *spanning]:
                self._keep([copy])
        if wanted != 1:
            sets = {
                node.id: self._local_sets(node, local[node.id])
                for node in self.problem.cluster.nodes
            }
            self._combine_pcs(sets)
            self._combine_spanning(spanning)
        self._explain_pins()
        return self._result()

    def _result(self) -> Result:
        return Result(found=tuple(self.found.values()), rejections=tuple(self.rejections.values()))

    def _prepared(self, copies: Iterable[Copy]) -> list[tuple[Copy, Prepared]]:
        ready = []
        for copy in copies:
            prepared = self.estimator.prepare(copy)
            if isinstance(prepared, Refusal):
                self._reject(len(copy[0].devices), len(copy), 1, nodes_of([copy]), prepared)
            else:
                ready.append((copy, prepared))
        return ready

    def _keep(self, copies: Sequence[tuple[Copy, Prepared]]) -> Found:
        """Cost a set of copies once; kept as a plan if the pinned number of copies is met."""
        layout = Layout(engine=ENGINE, replicas=tuple(copy for copy, _ in copies))
        known = self.found.get(layout)
        if known is not None:
            return known
        one = Found(
            layout=layout,
            nodes=tuple(nodes_of(layout.replicas)),
            estimate=self.estimator.combine([prepared for _, prepared in copies]),
        )
        if self.problem.pins.replicas in (None, len(copies)):
            self.found[layout] = one
        return one

    def _local_sets(
        self, node: Node, copies: Sequence[tuple[Copy, Prepared]]
    ) -> list[list[tuple[Copy, Prepared]]]:
        """Sets of like copies inside one PC, from one copy to as many as its devices hold."""
        sets = []
        for copy, prepared in copies:
            group = [(copy, prepared)]
            sets.append(list(group))
            for twin in self._twins(node, copy):
                group.append((twin, self._prepare_twin(twin, prepared)))
                sets.append(list(group))
        for one in sets:
            self._keep(one)
        return sets

    def _twins(self, node: Node, copy: Copy) -> Iterator[Copy]:
        """The same copy on the PC's further devices of the same kind."""
        used = [device for stage in copy for device in stage.devices]
        for devices in candidates.device_classes(node):
            ids = [device.id for device in devices]
            if used == ids[: len(used)]:
                for start in range(len(used), len(ids) - len(used) + 1, len(used)):
                    yield _renamed(copy, dict(zip(used, ids[start:], strict=False)))

    def _prepare_twin(self, twin: Copy, fallback: Prepared) -> Prepared:
        prepared = self.estimator.prepare(twin)
        return fallback if isinstance(prepared, Refusal) else prepared

    def _combine_pcs(self, sets: dict[NodeId, list[list[tuple[Copy, Prepared]]]]) -> None:
        """Copies on two PCs, three …: the best PCs first, each with its best set at its share of the load."""
        able = {node: choices for node, choices in sets.items() if choices}
        for count in range(2, len(able) + 1):
            best = sorted(
                (self._best_set(choices, count) for choices in able.values()), key=lambda b: -b[0]
            )
            self._keep([copy for _, chosen in best[:count] for copy in chosen])
        wanted = self.problem.pins.replicas
        if wanted is not None:
            singles = sorted(
                (self._best_set([c for c in s if len(c) == 1], wanted) for s in able.values()),
                key=lambda b: -b[0],
            )
            if len(singles) >= wanted:
                self._keep([copy for _, chosen in singles[:wanted] for copy in chosen])

    def _best_set(
        self, choices: Sequence[list[tuple[Copy, Prepared]]], share: int
    ) -> tuple[float, list[tuple[Copy, Prepared]]]:
        """The set that delivers most with one part in `share` of the requests; fewer devices win ties."""
        requests = max(1, self.problem.workload.concurrent_requests // share)

        def rate(chosen: list[tuple[Copy, Prepared]]) -> float:
            each = max(1, requests // len(chosen))
            busy = min(len(chosen), requests)
            return sum(
                self.estimator.serve(prepared, each).requests_per_s for _, prepared in chosen[:busy]
            )

        best = max(choices, key=lambda chosen: (round(rate(chosen), 9), -len(chosen)))
        return rate(best), best

    def _combine_spanning(self, copies: Sequence[tuple[Copy, Prepared]]) -> None:
        """Several copies over disjoint sets of PCs, best first."""
        half = max(1, self.problem.workload.concurrent_requests // 2)
        ordered = sorted(copies, key=lambda c: -self.estimator.serve(c[1], half).requests_per_s)
        for first in ordered[:1]:
            chosen, taken = [first], set(nodes_of([first[0]]))
            for candidate in ordered:
                nodes = set(nodes_of([candidate[0]]))
                if not nodes & taken:
                    chosen.append(candidate)
                    taken |= nodes
            if len(chosen) > 1:
                self._keep(chosen)

    def _explain_pins(self) -> None:
        """A pinned size that no device set can meet is refused by name, not by silence."""
        pins, devices = self.problem.pins, self.problem.cluster.devices()
        tensor, pipeline, replicas = (
            pins.tensor_parallel or 1,
            pins.pipeline_parallel or 1,
            pins.replicas or 1,
        )
        needed = tensor * pipeline * replicas
        if self.found or self.rejections:
            return
        refusal = (
            rules.refuse_tensor_parallel(self.problem.spec, tensor)
            or rules.refuse_pipeline_parallel(self.problem.spec, pipeline)
            or Refusal(
                rule="not-enough-devices",
                detail=f"{tensor} x {pipeline} x {replicas} needs {needed} like devices placed evenly over the PCs; there are {len(devices)} devices",
            )
        )
        self._reject(
            tensor, pipeline, replicas, [node.id for node in self.problem.cluster.nodes], refusal
        )

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


def _renamed(copy: Copy, names: dict[DeviceId, DeviceId]) -> Copy:
    return tuple(replace(stage, devices=tuple(names[d] for d in stage.devices)) for stage in copy)
