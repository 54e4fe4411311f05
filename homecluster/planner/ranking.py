"""Found layouts in the order in which they are recommended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from homecluster.domain.layout import Layout
from homecluster.domain.plan import Backend, Plan
from homecluster.domain.workload import Goal, Serve
from homecluster.planner import explain, start_up
from homecluster.planner.backend_choice import INSIDE, Chosen, choose_backend
from homecluster.planner.found import Found

MULTI_PC_MARGIN = 1.05
"""Several PCs must win by more than 5 % to be preferred: they cost a second PC, and more can go wrong."""


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


def joined_by(plan: Plan, chosen: Chosen) -> Plan:
    """The plan with its ranks joined as `chosen`; Ray takes its time to come up."""
    needs_ray = chosen.backend is Backend.RAY and plan.backend is not Backend.RAY
    return replace(
        plan,
        backend=chosen.backend,
        backend_rule=chosen.rule,
        backend_reason=chosen.reason,
        estimate=start_up.with_ray(plan.estimate) if needs_ray else plan.estimate,
    )


def _plan(position: int, one: Found) -> Plan:
    plan = Plan(
        rank=position,
        layout=one.layout,
        backend=INSIDE.backend,
        backend_rule=INSIDE.rule,
        backend_reason=INSIDE.reason,
        nodes=one.nodes,
        estimate=one.estimate,
        reason=explain.plan_reason(one.estimate, one.layout, len(one.nodes)),
    )
    return joined_by(plan, _joined(one.layout))


def _joined(layout: Layout) -> Chosen:
    """Of the first copy that spans PCs; copies that nobody could join were refused before."""
    choices = [choose_backend(copy) for copy in layout.replicas]
    spanning = [one for one in choices if isinstance(one, Chosen) and one is not INSIDE]
    return spanning[0] if spanning else INSIDE
