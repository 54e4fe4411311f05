"""What could be done instead of a judged plan: another layout, or a cable; each with its tokens per second."""

from __future__ import annotations

from dataclasses import replace

from homecluster.domain.diagnosis import Remedy
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.units import format_rate
from homecluster.planner import explain
from homecluster.planner.causes.case import Case, Judged, up_command
from homecluster.planner.ranking import MULTI_PC_MARGIN
from homecluster.planner.what_if import LINK_PRESETS, with_links

ETHERNET = "1gbe"


def remedy(case: Case, judged: Judged) -> tuple[Remedy, float] | None:
    """What helps, and by how many tokens per second: another layout, else a cable; None if neither does."""
    best = judged.free.plans[0]
    gain = best.estimate.output_tokens_per_s.mid - judged.rate
    if gain > 0:
        label = explain.describe(best.layout, len(best.nodes))
        text = f"run {label} on {', '.join(best.nodes)}: {format_rate(judged.rate + gain)} tokens/s"
        return Remedy(text=text, argv=up_command(judged, best)), gain
    cable = case.rate_on(on_ethernet(case))
    if judged.spans_pcs and cable > MULTI_PC_MARGIN * judged.rate:
        text = f"join the PCs by an Ethernet cable ({ETHERNET}): this layout then gives {format_rate(cable)} tokens/s"
        return Remedy(text=text), cable - judged.rate
    return None


def alternatives(case: Case, judged: Judged) -> tuple[str, ...]:
    """The speeds of what could be done instead, on this link and on a cable."""
    lines = []
    by_exchange = replace(judged.plan.layout, small_collectives=SmallCollectives.EXCHANGE)
    for label, pick in (
        ("this layout by direct exchange", lambda p: p.layout == by_exchange),
        ("a copy on each PC", lambda p: len(p.layout.replicas) > 1 and p.backend == "none"),
        ("one PC alone", lambda p: len(p.nodes) == 1),
        (
            "pipeline parallel over the PCs",
            lambda p: p.backend != "none" and p.layout.pipeline_parallel > 1,
        ),
    ):
        found = [p for p in judged.free.plans if pick(p) and p.layout != judged.plan.layout]
        if found:
            rate = max(p.estimate.output_tokens_per_s.mid for p in found)
            lines.append(f"instead: {label}: {format_rate(rate)} tokens/s")
    cable = case.rate_on(on_ethernet(case))
    if cable > judged.rate:
        lines.append(
            f"instead: this layout over an Ethernet cable ({ETHERNET}): {format_rate(cable)} tokens/s"
        )
    return tuple(lines)


def on_ethernet(case: Case) -> Cluster:
    """The cluster with every pair of PCs on a cable."""
    return with_links(case.cluster, rtt_s=None, bandwidth=None, preset=LINK_PRESETS[ETHERNET])
