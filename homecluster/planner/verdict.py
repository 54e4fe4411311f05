"""Whether several PCs are worth it for this model and load, by how much, and from which link on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import BreakEven, BreakEvenState, Rejection, Verdict, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.units import format_bytes, format_link_rate, format_rate, format_seconds
from homecluster.domain.workload import Serve
from homecluster.planner import candidates, explain
from homecluster.planner.candidates import Pins, Problem
from homecluster.planner.estimate import Estimator
from homecluster.planner.rules import Refusal
from homecluster.planner.search import MULTI_PC_MARGIN, Found, Result

NO_BREAK_EVEN: Final = BreakEven(state=BreakEvenState.NEVER, rtt_s=None, bandwidth_bytes_per_s=None)

_FASTEST_RTT_S, _SLOWEST_RTT_S = 1e-6, 100.0
_SLOWEST_RATE, _FASTEST_RATE = 1e2, 1e13
_BISECTIONS = 40


def judge(cluster: Cluster, spec: ModelSpec, workload: Serve, result: Result) -> Verdict:
    """The verdict on an unpinned search, as docs/concepts.md defines its kinds.

    The baseline is the best layout inside any one PC. Break-even: the round trip (with the bandwidth as
    it is) and the bandwidth (with the round trip as it is) at which one copy over the best pair of PCs
    is exactly as fast as the baseline.
    """
    baseline = _best([one for one in result.found if not one.spans_pcs])
    beyond = _best([one for one in result.found if one.spans_pcs])
    if baseline is None and beyond is None:
        return Verdict(
            kind=VerdictKind.CANNOT_RUN,
            reason=_why_not(spec, result.rejections),
            gain=None,
            break_even=NO_BREAK_EVEN,
        )
    if baseline is None:
        assert beyond is not None
        label = explain.describe(beyond.layout, len(beyond.nodes))
        return Verdict(
            kind=VerdictKind.MULTI_NODE_REQUIRED,
            reason=f"no single PC holds {spec.name}{_shortfall(result.rejections)}; {label} gives {format_rate(beyond.rate)} tokens/s",
            gain=None,
            break_even=BreakEven(
                state=BreakEvenState.ALWAYS, rtt_s=None, bandwidth_bytes_per_s=None
            ),
        )
    even = break_even(cluster, spec, workload, baseline.rate)
    if beyond is None:
        return Verdict(
            kind=VerdictKind.SINGLE_NODE,
            reason=f"{_on(baseline)} gives {format_rate(baseline.rate)} tokens/s, and no layout over several PCs can run",
            gain=None,
            break_even=even,
        )
    gain = beyond.rate / baseline.rate
    return Verdict(
        kind=_kind(result.found, baseline),
        reason=_reason(result, baseline, even),
        gain=gain,
        break_even=even,
    )


def break_even(
    cluster: Cluster, spec: ModelSpec, workload: Serve, baseline_rate: float
) -> BreakEven:
    """Where one copy over the best pair of PCs meets `baseline_rate` (output tokens/s).

    Jitter and loss shrink with the round trip; a measured all-reduce curve is set aside, since it was
    measured on the link as it is.
    """
    pair = _best_pair(cluster, spec, workload)
    if pair is None:
        return NO_BREAK_EVEN

    def rate(rtt_s: float | None, bandwidth: float | None) -> float:
        return _pair_rate(_with_link(pair, rtt_s, bandwidth), spec, workload)

    if rate(_FASTEST_RTT_S, _FASTEST_RATE) < baseline_rate:
        return NO_BREAK_EVEN
    slowest_rtt = _crossing(
        lambda rtt: rate(rtt, None) >= baseline_rate, _FASTEST_RTT_S, _SLOWEST_RTT_S
    )
    least_rate = _crossing(
        lambda inverse: rate(None, 1 / inverse) >= baseline_rate,
        1 / _FASTEST_RATE,
        1 / _SLOWEST_RATE,
    )
    return BreakEven(
        state=BreakEvenState.AT,
        rtt_s=slowest_rtt,
        bandwidth_bytes_per_s=None if least_rate is None else 1 / least_rate,
    )


def _crossing(wins: Callable[[float], bool], low: float, high: float) -> float | None:
    """The largest value that still wins, between `low` and `high`; None if not even `low` does."""
    if not wins(low):
        return None
    if wins(high):
        return high
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        if wins(middle):
            low = middle
        else:
            high = middle
    return low


def _best_pair(cluster: Cluster, spec: ModelSpec, workload: Serve) -> Cluster | None:
    """The two PCs over which one copy is fastest on the links as they are."""
    pairs = []
    for nodes in combinations(cluster.nodes, 2):
        ids = {node.id for node in nodes}
        links = tuple(link for link in cluster.links if link.src in ids and link.dst in ids)
        pairs.append(Cluster(nodes=nodes, links=links))
    rated = [(_pair_rate(pair, spec, workload), -index, pair) for index, pair in enumerate(pairs)]
    best = max(rated, default=(0.0, 0, None))
    return best[2] if best[0] > 0 else None


def _pair_rate(pair: Cluster, spec: ModelSpec, workload: Serve) -> float:
    """Output tokens/s of the best single copy over both PCs; 0 if none can run."""
    estimator = Estimator(pair, spec, workload)
    problem = Problem(cluster=pair, spec=spec, workload=workload, pins=Pins())
    rates = [0.0]
    for copy in candidates.spanning_copies(problem):
        prepared = estimator.prepare(copy)
        if not isinstance(prepared, Refusal):
            rates.append(estimator.combine([prepared]).output_tokens_per_s.mid)
    return max(rates)


def _with_link(pair: Cluster, rtt_s: float | None, bandwidth: float | None) -> Cluster:
    links = []
    for link in pair.links:
        changed = link
        if rtt_s is not None:
            scale = rtt_s / link.rtt_s if link.rtt_s else 1.0
            changed = replace(
                changed,
                latency_s=rtt_s / 2,
                jitter_s=link.jitter_s * min(1.0, scale),
                loss_ratio=link.loss_ratio * min(1.0, scale),
            )
        if bandwidth is not None:
            changed = replace(changed, bandwidth_bytes_per_s=bandwidth)
        links.append(replace(changed, all_reduce=(), exchange=()))
    return Cluster(nodes=pair.nodes, links=tuple(links))


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


def _reason(result: Result, baseline: Found, even: BreakEven) -> str:
    """One sentence: the baseline, the best of several PCs and of one copy over them, and the break-even."""
    beyond = _best([one for one in result.found if one.spans_pcs])
    assert beyond is not None
    alone = f"{_on(baseline)} gives {format_rate(baseline.rate)} tokens/s"
    rivals = (
        f"{_on(beyond)} {format_rate(beyond.rate)} ({format_rate(beyond.rate / baseline.rate)}x)"
    )
    over = _best([one for one in result.found if _copy_spans(one)])
    if over is not None and over is not beyond:
        rivals += f", one copy over several PCs at best {format_rate(over.rate)}"
    return f"{alone}, {rivals}; {_even_words(even)}"


def _on(one: Found) -> str:
    if len(one.layout.devices) == 1:
        return f"{one.nodes[0]} alone"
    if one.spans_pcs:
        return explain.describe(one.layout, len(one.nodes))
    return f"{explain.describe(one.layout, 1)} on {one.nodes[0]}"


def _even_words(even: BreakEven) -> str:
    if even.state is BreakEvenState.NEVER:
        return "no link would make one copy over two PCs faster than the best single PC"
    ways = []
    if even.rtt_s is not None:
        ways.append(f"a round trip of {format_seconds(even.rtt_s)} or less at this bandwidth")
    if even.bandwidth_bytes_per_s is not None:
        ways.append(f"{format_link_rate(even.bandwidth_bytes_per_s)} or more at this round trip")
    if not ways:
        return (
            "one copy over two PCs would pay only on a link better in both round trip and bandwidth"
        )
    return f"one copy over two PCs breaks even from {' or '.join(ways)}"


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
