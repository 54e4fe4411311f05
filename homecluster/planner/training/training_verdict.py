"""Whether several PCs are worth it for this training, by how much, and from which link on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import BreakEven, BreakEvenState, Verdict, VerdictKind
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train
from homecluster.domain.units import format_bytes, format_rate
from homecluster.planner import break_even
from homecluster.planner.ranking import MULTI_PC_MARGIN
from homecluster.planner.rules import Refusal
from homecluster.planner.training.estimate import describe
from homecluster.planner.training.groups import Group
from homecluster.planner.training.trainer import Trainer, Way
from homecluster.planner.what_if import with_links

_PAIR: Final = 2


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
    if baseline is None:
        return _without_baseline(spec, workload, beyond, refusals)
    if beyond is None:
        alone = "it is the only PC" if len(cluster.nodes) == 1 else "no set of PCs can"
        return Verdict(
            kind=VerdictKind.SINGLE_NODE,
            reason=f"{_speed(baseline, workload)}; {alone}",
            gain=None,
            break_even=break_even.NEVER,
        )
    gain = baseline.step_s / beyond.step_s
    even = _break_even(cluster, spec, workload, best, baseline)
    return Verdict(
        kind=VerdictKind.MULTI_NODE_WORTH_IT if gain > MULTI_PC_MARGIN else VerdictKind.SINGLE_NODE,
        reason=f"{_speed(baseline, workload)}; {_speed(beyond, workload)} ({format_rate(gain)}x); {_even_words(even)}",
        gain=gain,
        break_even=even,
    )


def _without_baseline(
    spec: ModelSpec, workload: Train, beyond: Way | None, refusals: Sequence[Refusal]
) -> Verdict:
    """No single PC can train it; `beyond` is the best of several PCs."""
    if beyond is None:
        return Verdict(
            kind=VerdictKind.CANNOT_RUN,
            reason=_why_not(spec, refusals),
            gain=None,
            break_even=break_even.NEVER,
        )
    return Verdict(
        kind=VerdictKind.MULTI_NODE_REQUIRED,
        reason=f"no single PC can train {spec.name} so; {_speed(beyond, workload)}",
        gain=None,
        break_even=break_even.ALWAYS,
    )


def _break_even(
    cluster: Cluster, spec: ModelSpec, workload: Train, best: Sequence[Way], baseline: Way
) -> BreakEven:
    """Where the best pair of PCs meets the best single one."""
    pair = next((way for way in best if len(way.nodes) == _PAIR), None)
    if pair is None:
        return break_even.NEVER

    def wins(rtt_s: float | None, bandwidth: float | None) -> bool:
        linked = with_links(cluster, rtt_s=rtt_s, bandwidth=bandwidth)
        return _beats(Trainer(linked, spec, workload), pair.group, baseline)

    return break_even.by_link(wins)


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
    if thresholds := break_even.thresholds(even):
        return f"two PCs break even from {thresholds}"
    return "two PCs would pay only on a link better in both round trip and bandwidth"


def _why_not(spec: ModelSpec, refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return f"there is no device to train {spec.name} on"
    short = [one for one in refusals if one.shortfall_bytes]
    nearest = min(short, key=lambda one: one.shortfall_bytes or 0) if short else refusals[0]
    missing = f" ({format_bytes(nearest.shortfall_bytes)} short)" if nearest.shortfall_bytes else ""
    return f"{spec.name} cannot be trained here{missing}: {nearest.detail}"
