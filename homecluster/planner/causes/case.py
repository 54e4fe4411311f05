"""Everything that a rule may look at, and what follows from it by planning again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from homecluster.domain.diagnosis import Cause, Remedy
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.signs import LinkSigns, NodeSigns, Signs
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.workload import Serve
from homecluster.planner.estimate import Estimator
from homecluster.planner.network import Fabric
from homecluster.planner.rules import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A plan under judgement, and what could be run instead."""

    spec: ModelSpec
    workload: Serve
    plan: Plan
    free: PlanSet
    """Plans without pins: where remedies come from."""

    @property
    def rate(self) -> float:
        """Predicted tokens per second."""
        return self.plan.estimate.output_tokens_per_s.mid

    @property
    def spans_pcs(self) -> bool:
        return self.plan.backend != "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known; without a model nothing is judged, and effects are unknown."""

    cluster: Cluster
    """As last measured: the signs are in it already."""
    signs: Signs
    judged: Judged | None
    believed: Cluster | None = None
    """As it was believed before the signs; None: the same."""

    @property
    def measured_rate(self) -> float | None:
        """Tokens per second of the running job; None while it is idle."""
        job = self.signs.job
        if job is None or not job.output_tokens_per_s:
            return None
        return job.output_tokens_per_s

    def rate_on(self, cluster: Cluster) -> float:
        """Predicted tokens per second of the judged layout on another cluster; 0 where it cannot run."""
        if self.judged is None:
            return 0.0
        estimator = Estimator(cluster, self.judged.spec, self.judged.workload)
        estimate = estimator.estimate(self.judged.plan.layout)
        return 0.0 if isinstance(estimate, Refusal) else estimate.output_tokens_per_s.mid

    def gain_on(self, mended: Cluster) -> float:
        """What the judged layout would gain on the same links, some of them mended; 0 without a model.

        Curves that were measured on a link say nothing of the mended one, so both are estimated without.
        """
        if self.judged is None:
            return 0.0
        pairs = zip(self.cluster.links, mended.links, strict=True)
        links = tuple(
            now if now == then else replace(now, exchange=(), all_reduce=()) for now, then in pairs
        )
        now, then = self.rate_on(replace(self.cluster, links=links)), self.rate_on(mended)
        return max(0.0, self.judged.rate * (then / now - 1)) if now else then

    def missing_rate(self) -> float:
        """How far the running job stays behind its prediction, tokens per second; 0 within the interval."""
        measured = self.measured_rate
        if measured is None or self.judged is None:
            return 0.0
        low = self.judged.plan.estimate.output_tokens_per_s.low
        return self.judged.rate - measured if measured < low else 0.0

    def gain_per_speed(self, ratio: float) -> float:
        """Tokens per second lost where a PC of the layout works at `ratio` of its speed.

        Only the part of a token's time that devices and hosts work grows; waiting for links does not.
        """
        if self.judged is None or not 0 < ratio < 1:
            return 0.0
        terms = self.judged.plan.estimate.terms
        busy_s = terms.compute_s + terms.memory_s + terms.host_s
        slow_rate = (
            self.judged.rate * terms.total_s / (terms.total_s + busy_s * (1 / ratio - 1))
            if terms.total_s
            else 0.0
        )
        return self.judged.rate - slow_rate

    def concerns(self, node: NodeId) -> bool:
        """Whether the judged plan uses this PC; every PC counts when nothing is judged."""
        return self.judged is None or node in self.judged.plan.nodes

    def nodes(self) -> Iterable[NodeSigns]:
        """Signs of the PCs that count."""
        return (one for one in self.signs.nodes if self.concerns(one.node))

    def links(self) -> Iterable[LinkSigns]:
        """Signs of the links that count: none for a plan that crosses no link."""
        if self.judged is None:
            return iter(self.signs.links)
        if not self.judged.spans_pcs:
            return iter(())
        used = set(self.judged.plan.nodes)
        return (one for one in self.signs.links if {one.src, one.dst} <= used)

    def round_trip_s(self) -> float:
        """The longest between PCs of the judged plan; 0 where it is unknown or there is one PC."""
        if self.judged is None:
            return 0.0
        nodes = self.judged.plan.nodes
        fabric = Fabric(self.cluster)
        pairs = [(a, b) for a in nodes for b in nodes if a != b]
        return max((fabric.round_trip(a, b) for a, b in pairs if fabric.knows((a, b))), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cause, and how the cluster would be without it."""

    cause: Cause
    mended: Cluster | None = None
    """What the planner would believe after the remedy; None where the planner cannot tell."""
    stalled_ratio: float = 0.0
    """The share of the time in which programs wait because of it, as the kernel counts it."""


Rule = Callable[[Case], Found | None]


def found(
    id: str,  # noqa: A002 - the word of the document
    summary: str,
    *,
    evidence: Iterable[str] = (),
    do: str,
    argv: tuple[str, ...] = (),
    effect: float = 0.0,
    mended: Cluster | None = None,
    stalled_ratio: float = 0.0,
) -> Found:
    """A cause in its usual parts."""
    cause = Cause(
        id=id,
        summary=summary,
        evidence=tuple(evidence),
        effect_tokens_per_s=effect,
        remedy=Remedy(text=do, argv=argv),
    )
    return Found(cause=cause, mended=mended, stalled_ratio=stalled_ratio)


def change_links(cluster: Cluster, ends: set[NodeId], change: Callable[[Link], Link]) -> Cluster:
    """The cluster with the links between `ends` changed.

    Measured curves of the engine's own messages are dropped: they were measured on the link as it is.
    """
    return replace(
        cluster,
        links=tuple(
            replace(change(link), exchange=(), all_reduce=())
            if {link.src, link.dst} == ends
            else link
            for link in cluster.links
        ),
    )


def up_command(judged: Judged, plan: Plan) -> tuple[str, ...]:
    """The `up` that runs this plan for the same requests; flags that would say the default are left out."""
    layout = plan.layout
    where = ("--nodes", ",".join(plan.nodes)) if judged.spans_pcs or len(plan.nodes) > 1 else ()
    return (
        *("homecluster", "up", "--model", judged.spec.name),
        *("--tensor-parallel", str(layout.tensor_parallel)),
        *("--pipeline-parallel", str(layout.pipeline_parallel)),
        *("--replicas", str(len(layout.replicas)), *where),
        *_request_flags(judged.workload),
    )


def _request_flags(work: Serve) -> Iterator[str]:
    usual = Serve()
    for flag, asked, default in (
        ("--prompt-tokens", work.prompt_tokens, usual.prompt_tokens),
        ("--output-tokens", work.output_tokens, usual.output_tokens),
        ("--concurrency", work.concurrent_requests, usual.concurrent_requests),
        ("--request-rate", work.request_rate_per_s, usual.request_rate_per_s),
        ("--max-model-len", work.max_model_len, usual.max_model_len),
    ):
        if asked is not None and asked != default:
            yield from (flag, f"{asked:g}" if isinstance(asked, float) else str(asked))
