"""Whether several PCs are worth it for this model and load, by how much, and from which link on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Copy
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import BreakEven, BreakEvenState, Rejection, Verdict, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.units import format_bytes, format_rate
from homecluster.domain.workload import Serve
from homecluster.planner import break_even, candidates, explain
from homecluster.planner.estimate import Estimator
from homecluster.planner.found import Found, Result
from homecluster.planner.network import Fabric
from homecluster.planner.problem import Pins, Problem
from homecluster.planner.ranking import MULTI_PC_MARGIN
from homecluster.planner.rules import Refusal
from homecluster.planner.what_if import with_links

_PAIR: Final = 2


def judge(cluster: Cluster, spec: ModelSpec, workload: Serve, result: Result) -> Verdict:
    """The verdict on an unpinned search, as docs/concepts.md defines its kinds.

    The baseline is the best layout inside any one PC. Break-even: the round trip (with the bandwidth as
    it is) and the bandwidth (with the round trip as it is) at which one copy over the best pair of PCs
    is exactly as fast as the baseline.
    """
    baseline = _best([one for one in result.found if not one.spans_pcs])
    beyond = _best([one for one in result.found if one.spans_pcs])
    if baseline is None:
        return _without_baseline(spec, result, beyond)
    even = pair_break_even(cluster, spec, workload, result.found, baseline.rate)
    if beyond is None:
        return Verdict(
            kind=VerdictKind.SINGLE_NODE,
            reason=f"{_on(baseline)} gives {format_rate(baseline.rate)} tokens/s{_alone(cluster)}",
            gain=None,
            break_even=even,
        )
    return Verdict(
        kind=_kind(result.found, baseline),
        reason=_reason(result, baseline, beyond, even),
        gain=beyond.rate / baseline.rate,
        break_even=even,
    )


def _without_baseline(spec: ModelSpec, result: Result, beyond: Found | None) -> Verdict:
    """No single PC can run it; `beyond` is the best of several PCs."""
    if beyond is None:
        return Verdict(
            kind=VerdictKind.CANNOT_RUN,
            reason=_why_not(spec, result.rejections),
            gain=None,
            break_even=break_even.NEVER,
        )
    label = explain.describe(beyond.layout, len(beyond.nodes))
    return Verdict(
        kind=VerdictKind.MULTI_NODE_REQUIRED,
        reason=f"no single PC holds {spec.name}{_shortfall(result.rejections)}; {label} gives {format_rate(beyond.rate)} tokens/s",
        gain=None,
        break_even=break_even.ALWAYS,
    )


def pair_break_even(
    cluster: Cluster, spec: ModelSpec, workload: Serve, found: Sequence[Found], baseline_rate: float
) -> BreakEven:
    """Where one copy over the best pair of PCs meets `baseline_rate` (output tokens/s).

    The link is changed as `planner.what_if` changes it: jitter and loss shrink with the round trip.
    """
    best = _best([one for one in found if one.one_copy and len(one.nodes) == _PAIR])
    if best is None:
        return break_even.NEVER
    rate = _PairRate(_only(cluster, best.nodes), spec, workload, best.layout.replicas[0])
    return break_even.by_link(lambda rtt_s, bandwidth: rate.at(rtt_s, bandwidth) >= baseline_rate)


class _PairRate:
    """How fast the best single copy over two PCs is, by the link between them."""

    def __init__(self, pair: Cluster, spec: ModelSpec, workload: Serve, found: Copy) -> None:
        """`found`: the best that is known; the exact search knows splits that are no candidates."""
        self._pair = pair
        self._estimator = Estimator(pair, spec, workload)
        made = candidates.spanning_copies(Problem(pair, spec, workload, Pins()))
        ready = [self._estimator.prepare(copy) for copy in {found: None} | dict.fromkeys(made)]
        self._copies = [one for one in ready if not isinstance(one, Refusal)]

    def at(self, rtt_s: float | None, bandwidth: float | None) -> float:
        """Output tokens/s; None leaves the round trip or the bandwidth as it is."""
        fabric = Fabric(with_links(self._pair, rtt_s=rtt_s, bandwidth=bandwidth))
        return max(
            self._estimator.rate(replace(one, copy=replace(one.copy, fabric=fabric)))
            for one in self._copies
        )


def _only(cluster: Cluster, nodes: Sequence[NodeId]) -> Cluster:
    return Cluster(
        nodes=tuple(node for node in cluster.nodes if node.id in nodes),
        links=tuple(link for link in cluster.links if link.src in nodes and link.dst in nodes),
    )


def _best(found: Sequence[Found]) -> Found | None:
    return max(found, key=lambda one: (round(one.rate, 6), -len(one.layout.devices)), default=None)


def _kind(found: Sequence[Found], baseline: Found) -> VerdictKind:
    winners = [one for one in found if one.spans_pcs and one.rate > MULTI_PC_MARGIN * baseline.rate]
    best = _best(winners)
    if best is None:
        return VerdictKind.SINGLE_NODE
    return VerdictKind.MULTI_NODE_WORTH_IT if _copy_spans(best) else VerdictKind.REPLICAS


def _copy_spans(one: Found) -> bool:
    """One copy itself lies over several PCs."""
    return any(
        len({device.rsplit("/", 1)[0] for stage in copy for device in stage.devices}) > 1
        for copy in one.layout.replicas
    )


def _reason(result: Result, baseline: Found, beyond: Found, even: BreakEven) -> str:
    """One sentence: the baseline, the best of several PCs and of one copy over them, and the break-even."""
    alone = f"{_on(baseline)} gives {format_rate(baseline.rate)} tokens/s"
    rivals = (
        f"{_on(beyond)} {format_rate(beyond.rate)} ({format_rate(beyond.rate / baseline.rate)}x)"
    )
    over = _best([one for one in result.found if _copy_spans(one)])
    if over is not None and over is not beyond:
        rivals += f", one copy over several PCs at best {format_rate(over.rate)}"
    return f"{alone}, {rivals}; {_even_words(even)}"


def _alone(cluster: Cluster) -> str:
    if len(cluster.nodes) == 1:
        return "; it is the only PC"
    return ", and no layout over several PCs can run"


def _on(one: Found) -> str:
    if len(one.layout.devices) == 1:
        return f"{one.nodes[0]} alone"
    if one.spans_pcs:
        return explain.describe(one.layout, len(one.nodes))
    return f"{explain.describe(one.layout, 1)} on {one.nodes[0]}"


def _even_words(even: BreakEven) -> str:
    if even.state is BreakEvenState.NEVER:
        return "no link would make one copy over two PCs faster than the best single PC"
    if even.state is BreakEvenState.ALWAYS:
        return "one copy over two PCs pays on any link"
    if thresholds := break_even.thresholds(even):
        return f"one copy over two PCs breaks even from {thresholds}"
    return "one copy over two PCs would pay only on a link better in both round trip and bandwidth"


def _shortfall(rejections: Sequence[Rejection]) -> str:
    short = [r for r in rejections if r.shortfall_bytes and len(r.nodes) == 1]
    if not short:
        return ""
    least = min(short, key=lambda r: r.shortfall_bytes or 0)
    return f" ({least.nodes[0]} lacks {format_bytes(least.shortfall_bytes or 0)})"


def _why_not(spec: ModelSpec, rejections: Sequence[Rejection]) -> str:
    if not rejections:
        return f"there is no device to run {spec.name} on"
    short = [r for r in rejections if r.shortfall_bytes]
    nearest = min(short, key=lambda r: r.shortfall_bytes or 0) if short else rejections[0]
    return f"{spec.name} cannot run here: {nearest.detail}"
