"""Whether several PCs are worth it for this training, by how much, and from which link on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import BreakEven, BreakEvenState, Verdict, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train
from homecluster.domain.units import format_bytes, format_link_rate, format_rate, format_seconds
from homecluster.planner.ranking import MULTI_PC_MARGIN
from homecluster.planner.rules import Refusal
from homecluster.planner.threshold import largest_that_wins
from homecluster.planner.training.estimate import describe
from homecluster.planner.training.groups import Group
from homecluster.planner.training.trainer import Trainer, Way
from homecluster.planner.what_if import with_links

_PAIR: Final = 2
_FASTEST_RTT_S, _SLOWEST_RTT_S = 1e-6, 100.0
_SLOWEST_RATE, _FASTEST_RATE = 1e2, 1e13
"""Bytes per second."""
_NEVER: Final = BreakEven(state=BreakEvenState.NEVER, rtt_s=None, bandwidth_bytes_per_s=None)
_ALWAYS: Final = BreakEven(state=BreakEvenState.ALWAYS, rtt_s=None, bandwidth_bytes_per_s=None)


def judge(
    cluster: Cluster,
    spec: ModelSpec,
    workload: Train,
    best: Sequence[Way],
    refusals: Sequence[Refusal],
) -> Verdict:
    """The verdict on the best way of each set of devices, fastest first.

    `multi-node-worth-it`: several PCs train more than 5 % faster than the best one. Data-parallel copies
    that exchange gradients are one training, so there is no `replicas` here.
    """
    baseline = next((way for way in best if len(way.nodes) == 1), None)
    beyond = next((way for way in best if len(way.nodes) > 1), None)
    if baseline is None and beyond is None:
        return Verdict(
            kind=VerdictKind.CANNOT_RUN,
            reason=_why_not(spec, refusals),
            gain=None,
            break_even=_NEVER,
        )
    if baseline is None:
        assert beyond is not None
        return Verdict(
            kind=VerdictKind.MULTI_NODE_REQUIRED,
            reason=f"no single PC can train {spec.name} so; {_speed(beyond, workload)}",
            gain=None,
            break_even=_ALWAYS,
        )
    if beyond is None:
        alone = "it is the only PC" if len(cluster.nodes) == 1 else "no set of PCs can"
        return Verdict(
            kind=VerdictKind.SINGLE_NODE,
            reason=f"{_speed(baseline, workload)}; {alone}",
            gain=None,
            break_even=_NEVER,
        )
    gain = baseline.step_s / beyond.step_s
    even = _break_even(cluster, spec, workload, best, baseline)
    return Verdict(
        kind=VerdictKind.MULTI_NODE_WORTH_IT if gain > MULTI_PC_MARGIN else VerdictKind.SINGLE_NODE,
        reason=f"{_speed(baseline, workload)}; {_speed(beyond, workload)} ({format_rate(gain)}x); {_even_words(even)}",
        gain=gain,
        break_even=even,
    )


def _break_even(
    cluster: Cluster, spec: ModelSpec, workload: Train, best: Sequence[Way], baseline: Way
) -> BreakEven:
    """Where the best pair of PCs meets the best single one."""
    pair = next((way for way in best if len(way.nodes) == _PAIR), None)
    if pair is None:
        return _NEVER

    def wins(rtt_s: float | None, bandwidth: float | None) -> bool:
        linked = with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)
        return _beats(Trainer(linked, spec, workload), pair.group, baseline)

    if not wins(_FASTEST_RTT_S, _FASTEST_RATE):
        return _NEVER
    if wins(_SLOWEST_RTT_S, _SLOWEST_RATE):
        return _ALWAYS
    slowest_rtt_s = largest_that_wins(
        lambda rtt_s: wins(rtt_s, None), _FASTEST_RTT_S, _SLOWEST_RTT_S
    )
    inverse = largest_that_wins(
        lambda value: wins(None, 1 / value), 1 / _FASTEST_RATE, 1 / _SLOWEST_RATE
    )
    return BreakEven(
        state=BreakEvenState.AT,
        rtt_s=slowest_rtt_s,
        bandwidth_bytes_per_s=None if inverse is None else 1 / inverse,
    )


def _beats(trainer: Trainer, group: Group, baseline: Way) -> bool:
    way = trainer.best(group)
    return way is not None and way.step_s <= baseline.step_s


def _speed(way: Way, workload: Train) -> str:
    return f"{describe(way)} trains {format_rate(workload.global_batch / way.step_s)} samples/s"


def _even_words(even: BreakEven) -> str:
    if even.state is BreakEvenState.NEVER:
        return "no link would make two PCs faster than the best one"
    if even.state is BreakEvenState.ALWAYS:
        return "two PCs pay on any link"
    ways = []
    if even.rtt_s is not None:
        ways.append(f"a round trip of {format_seconds(even.rtt_s)} or less at this bandwidth")
    if even.bandwidth_bytes_per_s is not None:
        ways.append(f"{format_link_rate(even.bandwidth_bytes_per_s)} or more at this round trip")
    if not ways:
        return "two PCs would pay only on a link better in both round trip and bandwidth"
    return f"two PCs break even from {' or '.join(ways)}"


def _why_not(spec: ModelSpec, refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return f"there is no device to train {spec.name} on"
    short = [one for one in refusals if one.shortfall_bytes]
    nearest = min(short, key=lambda one: one.shortfall_bytes or 0) if short else refusals[0]
    missing = f" ({format_bytes(nearest.shortfall_bytes)} short)" if nearest.shortfall_bytes else ""
    return f"{spec.name} cannot be trained here{missing}: {nearest.detail}"
