"""Which one change would help most: another link, a smaller number format, more requests at once, fewer PCs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.model import ModelSpec, Quantization
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.what_if import LINK_PRESETS, with_links, without

WORTH_SAYING: Final = 1.10
"""Changes that win less are within the error of the prediction."""
_BETTER_LINKS: Final = ("1gbe", "2.5gbe", "10gbe")
_MORE_REQUESTS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One change, and what it would give."""

    change: str
    """link, quantization, concurrency or leave-out."""
    text: str
    tokens_per_s: float
    gain: float | None
    """Over the best plan as things are; None where nothing runs as things are."""


def advise(
    cluster: Cluster, spec: ModelSpec, workload: Serve, plans: PlanSet
) -> tuple[Advice, ...]:
    """Changes that would help by more than a tenth, the most helpful first.

    Of several links the slowest that still gives nine tenths of what the fastest would. Cost: one plan
    for each change.
    """
    now = _rate(plans)
    found = [
        Advice(change=change, text=text, tokens_per_s=rate, gain=rate / now if now else None)
        for change, text, rate in _changes(cluster, spec, workload, plans)
        if rate > WORTH_SAYING * (now or 0.0)
    ]
    return tuple(sorted(found, key=lambda one: (-one.tokens_per_s, one.text)))


def _changes(
    cluster: Cluster, spec: ModelSpec, workload: Serve, plans: PlanSet
) -> Iterator[tuple[str, str, float]]:
    if len(cluster.nodes) > 1:
        yield from _link(cluster, spec, workload)
        if (
            plans.gap is None
        ):  # pinned, or nothing runs: else the plan leaves out by itself what slows it
            yield from _leave_out(cluster, spec, workload)
    yield from _quantized(cluster, spec, workload)
    if workload.request_rate_per_s is None:
        more = replace(workload, concurrent_requests=workload.concurrent_requests * _MORE_REQUESTS)
        rate = _planned(cluster, spec, more)
        yield "concurrency", f"{more.concurrent_requests} requests in flight", rate


def _link(cluster: Cluster, spec: ModelSpec, workload: Serve) -> Iterator[tuple[str, str, float]]:
    rates = {
        name: _planned(
            with_links(cluster, rtt_s=None, bandwidth=None, preset=LINK_PRESETS[name]),
            spec,
            workload,
        )
        for name in _BETTER_LINKS
    }
    enough = next(name for name in _BETTER_LINKS if rates[name] >= 0.9 * max(rates.values()))
    preset = LINK_PRESETS[enough]
    yield (
        "link",
        f"a {enough} cable between all PCs ({preset.bandwidth}, {preset.rtt})",
        rates[enough],
    )


def _leave_out(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> Iterator[tuple[str, str, float]]:
    for node in cluster.nodes:
        rate = _planned(without(cluster, node.id), spec, workload)
        yield "leave-out", f"{node.id} left out", rate


def _quantized(
    cluster: Cluster, spec: ModelSpec, workload: Serve
) -> Iterator[tuple[str, str, float]]:
    """Four bits a weight, as AWQ checkpoints store them; vLLM runs them on cards only."""
    if spec.quantization is None and any(
        device.kind is DeviceKind.CUDA for device in cluster.devices()
    ):
        small = replace(
            spec, quantization=Quantization(method="awq", weight_bits=4, group_size=128)
        )
        rate = _planned(cluster, small, workload)
        yield "quantization", "a checkpoint of 4 bits a weight (AWQ)", rate


def _planned(cluster: Cluster, spec: ModelSpec, workload: Serve) -> float:
    return _rate(plan(cluster, spec, workload, Pins())) or 0.0


def _rate(plans: PlanSet) -> float | None:
    rates = [one.estimate.output_tokens_per_s.mid for one in plans.plans]
    return max(rates, default=None)
